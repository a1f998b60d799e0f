/* SPDX-License-Identifier: MPL-2.0 */
/* busbar device sound: sound cards of several guests on loudspeakers that they share. See docs/devices/sound.md. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/speakers.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "device/sound/protocol.h"
#include "device/sound/sound.h"
#include "scene/scene.h"
#include "server/server.h"
#include "server/sound-control.h"
#include "server/types.h"

#define GUESTS_MAX 64
#define ID_BYTES 64

/* The file of --state: what a guest's driver told, found again by the guest's name. */
struct state_entry {
        char id[ID_BYTES];
        struct sound_saved saved;
};

struct sound_server {
        struct scene scene;
        struct speakers *speakers[SCENE_SPEAKERS_MAX]; /* owned; NULL: nobody uses them */
        struct state_entry *state; /* mapped; NULL: none */
        struct sound_control *control; /* owned; NULL: none */
        int policy; /* of the main thread, when mixing has begun */
        struct sched_param priority;
};

static const char *const backends[] = { "null", "wav", "alsa", "pipewire", "loopback", NULL };

static const struct setting_spec sound_settings[] = {
        { .name = "scene", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "system file with the speakers, and the audio that guests name" },
        { .name = "control", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "unix socket that answers JSON requests: counters of speakers and guests" },
        { .name = "state", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "file in which streams outlive a server that is killed" },
        { .name = "backend", .kind = SETTING_CHOICE, .scope = SETTING_SERVER, .choices = backends,
          .default_text = "null", .help = "without scene: where sound goes" },
        { .name = "file", .kind = SETTING_PATH, .scope = SETTING_SERVER, .help = "without scene: of --backend=wav" },
        { .name = "device", .kind = SETTING_STRING, .scope = SETTING_SERVER,
          .help = "without scene: of --backend=alsa or pipewire" },
        { .name = "rate", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .min = 8000, .max = 192000,
          .default_text = "48000", .help = "without scene: frames a second" },
        { .name = "channels", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .min = 1, .max = 8, .default_text = "2",
          .help = "without scene: channels" },
        { .name = "period-us", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .min = 1000, .max = 100000,
          .default_text = "5000", .help = "without scene: time between two mixings" },
        { .name = "audio", .kind = SETTING_STRING, .scope = SETTING_GUEST,
          .help = "name in the scene's audio: speakers, priority, what the guest may do" },
        { .name = "streams", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = 1, .max = SOUND_OUTPUTS_MAX,
          .default_text = "2", .help = "streams that the guest can play at the same time" },
        { .name = NULL },
};

static const struct feature_name sound_feature_names[] = {
        { "ctls", SOUND_FEATURE_CTLS },
        { .name = NULL },
};

/* What the host's sound systems need once they are open: ioctls of ALSA's devices, timers and buffers of
   PipeWire's loop. */
static const struct sandbox_call sound_calls[] = {
        SANDBOX_CALL_IF("ioctl", 1, 0xff00, 'A' << 8),
        SANDBOX_CALL("mlock"),
        SANDBOX_CALL("timerfd_settime"),
        { .name = NULL },
};

/* So that the mixing threads may have real-time priority after the capabilities are gone: by a limit, or by inheritance
   from this thread, which has it until they are started. */
static void allow_realtime(struct sound_server *ss)
{
        struct sched_param priority = { .sched_priority = SPEAKERS_PRIORITY };
        struct rlimit limit;

        ss->policy = sched_getscheduler(0);
        (void) sched_getparam(0, &ss->priority);

        if (getrlimit(RLIMIT_RTPRIO, &limit) == 0) {
                limit.rlim_cur = MAX(limit.rlim_cur, (rlim_t) SPEAKERS_PRIORITY);
                limit.rlim_max = MAX(limit.rlim_max, limit.rlim_cur);
                if (setrlimit(RLIMIT_RTPRIO, &limit) == 0)
                        return;
        }
        /* Back from another real-time policy it could not go without the capability. */
        if (ss->priority.sched_priority < SPEAKERS_PRIORITY)
                (void) sched_setscheduler(0, ss->policy == SCHED_RR ? SCHED_RR : SCHED_FIFO, &priority);
}

/* One pair of speakers, and one audio on them, called "". */
static int scene_from_settings(const struct settings *settings, struct scene *scene)
{
        const char *file = settings_string(settings, "file"), *device = settings_string(settings, "device");

        scene->speakers = calloc(1, sizeof(*scene->speakers));
        scene->audio = calloc(1, sizeof(*scene->audio));
        if (!scene->speakers || !scene->audio)
                return -ENOMEM;
        scene->n_speakers = scene->n_audio = 1;
        scene->speakers[0] = (struct scene_speakers) {
                .name = strdup("speakers"),
                .backend = (enum scene_sound_backend) settings_choice(settings, "backend"),
                .rate_hz = (uint32_t) settings_number(settings, "rate"),
                .n_channels = (uint32_t) settings_number(settings, "channels"),
                .period_us = (uint32_t) settings_number(settings, "period-us"),
                .file = file ? strdup(file) : NULL,
                .device = device ? strdup(device) : NULL,
        };
        scene->audio[0] = (struct scene_audio) { .name = strdup(""), .capture = true, .controls = true };
        if (!scene->speakers[0].name || !scene->audio[0].name || (file && !scene->speakers[0].file) ||
            (device && !scene->speakers[0].device))
                return -ENOMEM;
        return 0;
}

static int open_state(struct server *server, const char *path, struct state_entry **ret)
{
        auto_cleanup(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        size_t n_bytes = GUESTS_MAX * sizeof(**ret);
        struct stat st;
        void *p;

        if (fd < 0 || fstat(fd, &st) < 0)
                return server_error(server, -errno, "state %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return server_error(server, -EINVAL, "state %s: not a regular file", path);
        if ((size_t) st.st_size != n_bytes && (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t) n_bytes) < 0))
                return server_error(server, -errno, "state %s: %s", path, strerror(errno));
        p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return server_error(server, -errno, "state %s: %s", path, strerror(errno));
        *ret = p;
        return 0;
}

static int sound_open(struct server *server, const struct settings *settings)
{
        struct sound_server *ss = calloc(1, sizeof(*ss));
        const char *scene = settings_string(settings, "scene");
        auto_cleanup(freep) char *error = NULL;
        int r;

        if (!ss)
                return -ENOMEM;
        server_set_data(server, ss);
        allow_realtime(ss);
        if (!scene && settings_choice(settings, "backend") == SOUND_WAV && !settings_given(settings, "file"))
                return server_error(server, -EINVAL, "backend=wav needs file");
        r = scene ? scene_load(scene, &ss->scene, &error) : scene_from_settings(settings, &ss->scene);
        if (r < 0)
                return error ? server_error(server, r, "%s", error) : r;
        if (settings_given(settings, "control")) {
                r = sound_control_new(server_loop(server), settings_string(settings, "control"), &ss->control);
                if (r < 0)
                        return server_error(server, r, "control %s: %s", settings_string(settings, "control"),
                                            strerror(-r));
        }
        if (settings_given(settings, "state"))
                return open_state(server, settings_string(settings, "state"), &ss->state);
        return 0;
}

static int use_speakers(struct server *server, size_t i)
{
        struct sound_server *ss = server_data(server);
        const struct scene_speakers *scene = &ss->scene.speakers[i];
        int r;

        if (ss->speakers[i])
                return 0;
        r = speakers_new(scene, &ss->speakers[i]);
        if (r == -EOPNOTSUPP)
                return server_error(server, r, "speakers %s: this build lacks the library of backend %s", scene->name,
                                    backends[scene->backend]);
        if (r < 0)
                return server_error(server, r, "speakers %s (%s): %s: %s", scene->name, backends[scene->backend],
                                    scene->file ? scene->file : scene->device ? scene->device : "default",
                                    strerror(-r));
        return ss->control ? sound_control_add_speakers(ss->control, ss->speakers[i]) : 0;
}

/* What is kept of the guest of this name, or a free place for it. */
static struct sound_saved *find_state(struct sound_server *ss, const char *id)
{
        struct state_entry *unused = NULL;

        for (size_t i = 0; ss->state && i < GUESTS_MAX; i++) {
                if (strncmp(ss->state[i].id, id, ID_BYTES) == 0)
                        return &ss->state[i].saved;
                if (!unused && ss->state[i].id[0] == '\0')
                        unused = &ss->state[i];
        }
        if (!unused || strlen(id) >= ID_BYTES)
                return NULL;
        unused->saved = (struct sound_saved) { 0 };
        memcpy(unused->id, id, strlen(id) + 1);
        return &unused->saved;
}

static int sound_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct sound_server *ss = server_data(server);
        const char *name = settings_string(guest, "audio");
        const struct scene_audio *audio = scene_find_audio(&ss->scene, name ? name : "");
        struct sound_options options;
        int r;

        if (!name && settings_given(server_settings(server), "scene"))
                return server_error(server, -EINVAL, "audio is missing: which of the scene's?");
        if (!audio)
                return server_error(server, -ENOENT, "audio=%s: there is none of that name", name);
        r = use_speakers(server, audio->speakers);
        if (r < 0)
                return r;
        options = (struct sound_options) {
                .priority = audio->priority,
                .over = audio->over,
                .duck_db = audio->duck_db,
                .n_outputs = (uint32_t) settings_number(guest, "streams"),
                .capture = audio->capture,
                .controls = audio->controls,
                .saved = find_state(ss, id),
        };
        r = sound_new(server_loop(server), id, ss->speakers[audio->speakers], &options, ret);
        if (r == -ENOSPC)
                return server_error(server, r, "speakers %s have more than %d streams",
                                    ss->scene.speakers[audio->speakers].name, SPEAKERS_VOICES_MAX);
        return r == 0 && ss->control ? sound_control_add_guest(ss->control, id, *ret) : r;
}

static int sound_sandbox(struct server *server, struct sandbox *sandbox)
{
        struct sound_server *ss = server_data(server);

        return ss->control ? sound_control_sandbox(ss->control, sandbox) : 0;
}

static int sound_start_threads(struct server *server)
{
        struct sound_server *ss = server_data(server);
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(ss->speakers) && r == 0; i++) {
                r = ss->speakers[i] ? speakers_start(ss->speakers[i]) : 0;
                if (r < 0)
                        break;
                if (ss->speakers[i])
                        log_debug("sound", "speakers %s: %u Hz, %u channels, period %zu frames, %s priority",
                                  speakers_name(ss->speakers[i]), speakers_rate(ss->speakers[i]),
                                  speakers_channels(ss->speakers[i]), speakers_period(ss->speakers[i]),
                                  speakers_realtime(ss->speakers[i]) ? "real-time" : "ordinary");
        }
        (void) sched_setscheduler(0, ss->policy, &ss->priority);
        return r;
}

static void sound_close(struct server *server)
{
        struct sound_server *ss = server_data(server);

        if (!ss)
                return;
        sound_control_free(ss->control);
        for (size_t i = 0; i < ARRAY_SIZE(ss->speakers); i++)
                speakers_free(ss->speakers[i]);
        if (ss->state)
                (void) munmap(ss->state, GUESTS_MAX * sizeof(*ss->state));
        scene_deinit(&ss->scene);
        free(ss);
        server_set_data(server, NULL);
}

const struct server_type server_type_sound = {
        .name = "sound",
        .summary = SERVER_SUMMARY_SOUND,
        .vhost_type = "sound",
        .settings = sound_settings,
        .system_calls = sound_calls,
        .guest_new = sound_guest_new,
        .features = sound_feature_names,
        .guest_threads = true,
        .open = sound_open,
        .sandbox = sound_sandbox,
        .start_threads = sound_start_threads,
        .close = sound_close,
};

/* SPDX-License-Identifier: MPL-2.0 */
/* See scene.h. Vertices are in pixels from the top left. */
#include "scene.h"

#include <GLES2/gl2.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define N_TEXELS 4
#define RENDERED_PIXELS 32
#define FRONT 0.2F
#define BACK 0.6F

struct vertex {
        float x, y, z, r, g, b, u, v;
};

#define RED(colour) ((float) ((colour) >> 16) / 255.F)
#define GREEN(colour) ((float) ((colour) >> 8 & 255) / 255.F)
#define BLUE(colour) ((float) ((colour) & 255) / 255.F)
#define COLOURED(x, y, z, colour) { x, y, z, RED(colour), GREEN(colour), BLUE(colour), 0, 0 }
#define TEXTURED(x, y, u, v) { x, y, FRONT, 0, 0, 0, u, v }

/* Three triangles' vertices, then two strips of four for each texture. */
static const struct vertex vertices[] = {
        COLOURED(20, 100, FRONT, 0x20e020), COLOURED(140, 100, FRONT, 0x20e020), COLOURED(20, 200, FRONT, 0x20e020),
        COLOURED(60, 110, BACK, 0xe0e020), COLOURED(160, 110, BACK, 0xe0e020), COLOURED(60, 150, BACK, 0xe0e020),
        COLOURED(160, 110, BACK, 0xe0e020), COLOURED(60, 150, BACK, 0xe0e020), COLOURED(160, 150, BACK, 0xe0e020),
        TEXTURED(100, 16, 0, 0), TEXTURED(164, 16, 1, 0), TEXTURED(100, 80, 0, 1), TEXTURED(164, 80, 1, 1),
        TEXTURED(180, 16, 0, 1), TEXTURED(244, 16, 1, 1), TEXTURED(180, 80, 0, 0), TEXTURED(244, 80, 1, 0),
};

static const char vertex_shader[] =
        "uniform vec2 size;\n"
        "attribute vec3 place; attribute vec3 colour; attribute vec2 texel;\n"
        "varying vec3 the_colour; varying vec2 the_texel;\n"
        "void main() {\n"
        "  the_colour = colour; the_texel = texel;\n"
        "  gl_Position = vec4(2.0 * place.x / size.x - 1.0, 1.0 - 2.0 * place.y / size.y, place.z, 1.0);\n"
        "}\n";

static const char fragment_shader[] =
        "precision mediump float;\n"
        "uniform bool textured; uniform sampler2D texture;\n"
        "varying vec3 the_colour; varying vec2 the_texel;\n"
        "void main() { gl_FragColor = textured ? texture2D(texture, the_texel) : vec4(the_colour, 1.0); }\n";

static void clear(uint32_t colour, unsigned bits)
{
        glClearColor(RED(colour), GREEN(colour), BLUE(colour), 1);
        glClear(bits);
}

/* As glScissor() counts: from the bottom. */
static void clear_part(int x, int y, int width, int height, uint32_t colour)
{
        glEnable(GL_SCISSOR_TEST);
        glScissor(x, y, width, height);
        clear(colour, GL_COLOR_BUFFER_BIT);
        glDisable(GL_SCISSOR_TEST);
}

static GLuint compile(GLenum type, const char *text)
{
        GLuint shader = glCreateShader(type);
        char message[512] = "";
        GLint ok;

        glShaderSource(shader, 1, &text, NULL);
        glCompileShader(shader);
        glGetShaderiv(shader, GL_COMPILE_STATUS, &ok);
        if (ok)
                return shader;
        glGetShaderInfoLog(shader, sizeof(message), NULL, message);
        (void) fprintf(stderr, "shader: %s\n", message);
        return 0;
}

static int make_program(struct scene *s)
{
        static const char *const names[] = { "place", "colour", "texel" };
        static const GLint n_values[] = { 3, 3, 2 };
        static const size_t offsets[] = { offsetof(struct vertex, x), offsetof(struct vertex, r),
                                          offsetof(struct vertex, u) };
        GLuint program = glCreateProgram(), v = compile(GL_VERTEX_SHADER, vertex_shader), buffer,
               f = compile(GL_FRAGMENT_SHADER, fragment_shader);
        GLint ok;

        glAttachShader(program, v);
        glAttachShader(program, f);
        glGenBuffers(1, &buffer);
        glBindBuffer(GL_ARRAY_BUFFER, buffer);
        glBufferData(GL_ARRAY_BUFFER, sizeof(vertices), vertices, GL_STATIC_DRAW);
        for (GLuint i = 0; i < 3; i++) {
                glBindAttribLocation(program, i, names[i]);
                glVertexAttribPointer(i, n_values[i], GL_FLOAT, GL_FALSE, sizeof(struct vertex),
                                      (const char *) NULL + offsets[i]);
                glEnableVertexAttribArray(i);
        }
        glLinkProgram(program);
        glGetProgramiv(program, GL_LINK_STATUS, &ok);
        if (!ok) {
                (void) fprintf(stderr, "the program does not link\n");
                return -1;
        }
        glUseProgram(program);
        glUniform2f(glGetUniformLocation(program, "size"), (float) s->width, (float) s->height);
        s->at_textured = glGetUniformLocation(program, "textured");
        return 0;
}

static GLuint make_texture(GLsizei n_pixels, const void *pixels)
{
        GLuint texture;

        glGenTextures(1, &texture);
        glBindTexture(GL_TEXTURE_2D, texture);
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
        glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, n_pixels, n_pixels, 0, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
        return texture;
}

static void make_textures(struct scene *s)
{
        uint8_t texels[N_TEXELS][N_TEXELS][4];
        GLuint framebuffer;

        for (unsigned y = 0; y < N_TEXELS; y++)
                for (unsigned x = 0; x < N_TEXELS; x++) {
                        texels[y][x][0] = (uint8_t) (0x30 * x);
                        texels[y][x][1] = (uint8_t) (0x30 * y);
                        texels[y][x][2] = 0x40;
                        texels[y][x][3] = 0xff;
                }
        s->from_memory = make_texture(N_TEXELS, texels);
        s->rendered = make_texture(RENDERED_PIXELS, NULL);
        glGenFramebuffers(1, &framebuffer);
        glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
        glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, s->rendered, 0);
        clear(0xc08040, GL_COLOR_BUFFER_BIT);
        clear_part(RENDERED_PIXELS / 2, 0, RENDERED_PIXELS / 2, RENDERED_PIXELS / 2, 0x40c080);
        clear_part(RENDERED_PIXELS / 2, RENDERED_PIXELS / 2, RENDERED_PIXELS / 2, RENDERED_PIXELS / 2, 0x4080c0);
        glBindFramebuffer(GL_FRAMEBUFFER, 0);
}

int scene_make(struct scene *s, unsigned width, unsigned height)
{
        *s = (struct scene){ .width = width, .height = height };
        if (make_program(s) < 0)
                return -1;
        make_textures(s);
        glEnable(GL_DEPTH_TEST);
        return 0;
}

void scene_draw(const struct scene *s, uint32_t background)
{
        glViewport(0, 0, (GLsizei) s->width, (GLsizei) s->height);
        clear(background, GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
        clear_part(16, (int) s->height - 16 - 32, 64, 32, 0x3060c0);
        glUniform1i(s->at_textured, 0);
        glDrawArrays(GL_TRIANGLES, 0, 3);
        glDrawArrays(GL_TRIANGLES, 3, 6);
        glUniform1i(s->at_textured, 1);
        glBindTexture(GL_TEXTURE_2D, s->from_memory);
        glDrawArrays(GL_TRIANGLE_STRIP, 9, 4);
        glBindTexture(GL_TEXTURE_2D, s->rendered);
        glDrawArrays(GL_TRIANGLE_STRIP, 13, 4);
}

int scene_check(const struct scene *s, uint32_t background)
{
        const struct {
                unsigned x, y;
                uint32_t colour;
        } points[] = { { 2, 2, background }, { 20, 20, 0x3060c0 }, { 108, 72, 0x009040 }, { 156, 24, 0x900040 },
                       { 190, 40, 0xc08040 }, { 230, 24, 0x4080c0 }, { 230, 72, 0x40c080 }, { 30, 110, 0x20e020 },
                       { 66, 120, 0x20e020 }, { 150, 140, 0xe0e020 } };
        uint8_t *pixels = calloc(s->width * s->height, 4);
        int r = 0;

        if (!pixels)
                return -1;
        glReadPixels(0, 0, (GLsizei) s->width, (GLsizei) s->height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                const uint8_t *p = pixels + ((size_t) (s->height - 1 - points[i].y) * s->width + points[i].x) * 4;
                uint32_t colour = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];

                if (colour != points[i].colour) {
                        (void) fprintf(stderr, "read back at %u,%u: %06x instead of %06x\n", points[i].x, points[i].y,
                                       colour, points[i].colour);
                        r = -1;
                }
        }
        free(pixels);
        return r;
}

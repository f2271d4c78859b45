/* Multilinear interpolation of vertex features, and the sum of its transpose, in float32.

   Arguments are addresses of float arrays and their sizes; nint.machine.grids checks them. Without this module (no compiler was there when
   nint was installed) nint computes the same with PyTorch.

   Points are taken in blocks: cells and fractions first, then one corner after another, so that all but the reads and writes of the table
   are plain loops over neighbouring floats.                                                                                            */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "_portable.h"

#define MANY 64    /* points of a block */
#define AXES 4     /* at most */
#define FEATURES 8 /* of a vertex that are worked on at a time */

/* Factors of the hash of a cell (Mueller et al. 2022, Eq. 4; the fourth is ours). */
static const uint32_t FACTORS[AXES] = {1u, 2654435761u, 805459861u, 3674653429u};

typedef struct {
    int axes;
    int vertices[AXES]; /* along each axis */
    uint32_t mask;      /* entries of the table less one, a power of two less one, where it is hashed; else 0 */
} Shape;

typedef struct {
    int32_t cell[AXES][MANY];
    float inside[AXES][MANY]; /* in [0, 1] */
    int32_t entry[MANY];
    float weight[MANY];
} Block;

INLINE void locate(const float *x, int many, const Shape *shape, Block *block) {
    for (int axis = 0; axis < shape->axes; axis++) {
        const int last = shape->vertices[axis] - 2;
        const float half = (float)(shape->vertices[axis] - 1) * 0.5f;
        INDEPENDENT
        for (int i = 0; i < many; i++) {
            float v = x[(Py_ssize_t)i * shape->axes + axis];
            v = v >= -1.0f ? v : -1.0f; /* also what is no number */
            v = v <= 1.0f ? v : 1.0f;
            const float position = (v + 1.0f) * half;
            int32_t cell = (int32_t)position;
            cell = cell <= last ? cell : last;
            block->cell[axis][i] = cell;
            block->inside[axis][i] = position - (float)cell;
        }
    }
}

/* The table's entry and the weight of one corner of each point's cell; bit a of the corner is its place along axis a. */
INLINE void corner_of(int corner, int many, const Shape *shape, Block *block) {
    for (int axis = 0; axis < shape->axes; axis++) {
        const int32_t far = (corner >> axis) & 1;
        const int32_t *cell = block->cell[axis];
        const float *inside = block->inside[axis];
        if (shape->mask) {
            const uint32_t factor = FACTORS[axis];
            INDEPENDENT
            for (int i = 0; i < many; i++) {
                const uint32_t term = (uint32_t)(cell[i] + far) * factor;
                const uint32_t hash = axis ? (uint32_t)block->entry[i] ^ term : term;
                block->entry[i] = (int32_t)hash;
            }
        } else {
            const int32_t length = shape->vertices[axis];
            INDEPENDENT
            for (int i = 0; i < many; i++) block->entry[i] = (axis ? block->entry[i] * length : 0) + cell[i] + far;
        }
        INDEPENDENT
        for (int i = 0; i < many; i++) {
            const float along = far ? inside[i] : 1.0f - inside[i];
            block->weight[i] = axis ? block->weight[i] * along : along;
        }
    }
    if (shape->mask) {
        INDEPENDENT
        for (int i = 0; i < many; i++) block->entry[i] = (int32_t)((uint32_t)block->entry[i] & shape->mask);
    }
}

#define EACH_BLOCK(BODY)                                                                   \
    for (Py_ssize_t first = 0; first < n; first += MANY) {                                 \
        const int many = n - first < MANY ? (int)(n - first) : MANY;                       \
        Block block;                                                                       \
        locate(x + first * shape->axes, many, shape, &block);                              \
        BODY                                                                               \
    }

/* out[i, f] = the sum over corners of weight x table[corner, f], for `count` features; count is a constant where it is inlined. */
INLINE void gather_of(const float *x, const float *table, float *out, Py_ssize_t n, const Shape *shape, int features, int count, Py_ssize_t stride) {
    EACH_BLOCK({
        float sums[FEATURES][MANY];
        for (int f = 0; f < count; f++)
            for (int i = 0; i < many; i++) sums[f][i] = 0.0f;
        for (int corner = 0; corner < 1 << shape->axes; corner++) {
            corner_of(corner, many, shape, &block);
            for (int f = 0; f < count; f++) {
                INDEPENDENT
                for (int i = 0; i < many; i++) sums[f][i] += block.weight[i] * table[block.entry[i] * features + f];
            }
        }
        for (int i = 0; i < many; i++)
            for (int f = 0; f < count; f++) out[(first + i) * stride + f] = sums[f][i];
    })
}

/* table[corner, f] += weight x from[i, f], point by point and corner by corner, so that the order of the sums is always the same. */
INLINE void scatter_of(const float *x, const float *from, float *table, Py_ssize_t n, const Shape *shape, int features, int count, Py_ssize_t stride) {
    EACH_BLOCK({
        for (int corner = 0; corner < 1 << shape->axes; corner++) {
            corner_of(corner, many, shape, &block);
            for (int i = 0; i < many; i++) {
                const float *values = from + (first + i) * stride;
                float *into = table + (Py_ssize_t)block.entry[i] * features;
                for (int f = 0; f < count; f++) into[f] += block.weight[i] * values[f];
            }
        }
    })
}

/* The common sizes with constants, so that the compiler unrolls axes, corners and features. */
#define CASE(NAME, AXIS, COUNT)                                       \
    if (shape->axes == AXIS && features == COUNT) {                   \
        Shape fixed = *shape;                                         \
        fixed.axes = AXIS;                                            \
        NAME##_of(x, a, b, n, &fixed, COUNT, COUNT, stride);          \
        return;                                                       \
    }
#define DEFINE(NAME, A, B)                                                                                                     \
    EACH_PROCESSOR static void NAME(const float *x, const float *a, float *b, Py_ssize_t n, const Shape *shape, int features, \
                                    Py_ssize_t stride) {                                                                       \
        CASE(NAME, 2, 2)                                                                                                       \
        CASE(NAME, 2, 4)                                                                                                       \
        CASE(NAME, 3, 2)                                                                                                       \
        CASE(NAME, 3, 4)                                                                                                       \
        for (int f = 0; f < features; f += FEATURES) {                                                                         \
            const int count = features - f < FEATURES ? features - f : FEATURES;                                               \
            NAME##_of(x, a + A, b + B, n, shape, features, count, stride);                                                     \
        }                                                                                                                      \
    }
DEFINE(gather, f, f)
DEFINE(scatter, f, f)

#define FLOATS(address) ((float *)(uintptr_t)(address))
typedef unsigned long long Address;

/* One level as nint.machine.grids packs it. */
typedef struct {
    Address table;
    int32_t features, column, axes, vertices[AXES];
    uint32_t mask;
} Level;

/* For levels first .. last - 1: x, the values of a point (its level's features begin at `column`), their stride, and the levels. */
static PyObject *with_arguments(PyObject *arguments, int adding) {
    Address x, values;
    Py_ssize_t n, stride, first, last;
    const char *packed;
    Py_ssize_t bytes;
    if (!PyArg_ParseTuple(arguments, "KKnny#nn", &x, &values, &n, &stride, &packed, &bytes, &first, &last)) return NULL;
    if (first < 0 || last > bytes / (Py_ssize_t)sizeof(Level)) {
        PyErr_SetString(PyExc_ValueError, "no such level");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t number = first; number < last; number++) {
        Level level;
        Shape shape;
        memcpy(&level, packed + number * (Py_ssize_t)sizeof(Level), sizeof(Level));
        shape.axes = level.axes;
        shape.mask = level.mask;
        memcpy(shape.vertices, level.vertices, sizeof(shape.vertices));
        if (adding)
            scatter(FLOATS(x), FLOATS(values) + level.column, FLOATS(level.table), n, &shape, level.features, stride);
        else
            gather(FLOATS(x), FLOATS(level.table), FLOATS(values) + level.column, n, &shape, level.features, stride);
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *py_gather(PyObject *self, PyObject *arguments) {
    (void)self;
    return with_arguments(arguments, 0);
}

static PyObject *py_scatter(PyObject *self, PyObject *arguments) {
    (void)self;
    return with_arguments(arguments, 1);
}

static PyMethodDef methods[] = {
    {"gather", py_gather, METH_VARARGS, "gather(x, out, n, stride, levels, first, last): out[i] = interpolated features of those levels."},
    {"scatter", py_scatter, METH_VARARGS, "scatter(x, values, n, stride, levels, first, last): adds the transpose into the tables of those levels."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_grids", "Multilinear interpolation of vertex features.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__grids(void) { return PyModule_Create(&module); }

"""One layer a case: inputs, parameters, output and gradients in Lockstep's layouts (images NHWC, weights output first).

A case's group holds x (and x2, x3), the parameters by their names, y, d_y and the gradients d_<name>; batch norm also
mean and variance: n times those of the batch. tests/unit/test_golden_layers.c has the same cases by the same names.
"""
import zlib

import numpy
import torch
import torch.nn.functional as F


def generator(name):
    return numpy.random.default_rng(zlib.crc32(name.encode()))


def spread(rng, *shape):
    """Normal numbers that floats hold exactly, away from 0 so that no kink of relu is met by rounding."""
    values = rng.normal(size=shape)
    values = numpy.where(numpy.abs(values) < 0.01, 0.02, values)
    return torch.tensor(values.astype(numpy.float32).astype(numpy.float64))


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def same_padding(size, kernel, stride):
    """TensorFlow's rule: ceil(size / stride) outputs, the odd cell of padding at the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, padding, value=0.0):
    """x NCHW; padding is 'valid', 'same' or rows and columns on each side."""
    if padding == "valid":
        return x
    if padding == "same":
        top, bottom = same_padding(x.shape[2], kernel[0], stride[0])
        left, right = same_padding(x.shape[3], kernel[1], stride[1])
    else:
        top = bottom = padding[0]
        left = right = padding[1]
    return F.pad(x, (left, right, top, bottom), value=value)


ACTIVATIONS = {
    "none": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.1),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "softmax": lambda z: torch.softmax(z, -1),
}


def conv(x, weight, bias, stride, padding, act):
    z = padded(nchw(x), weight.shape[1:3], stride, padding)
    return ACTIVATIONS[act](nhwc(F.conv2d(z, weight.permute(0, 3, 1, 2), bias, stride=stride)))


def max_pool(x, size, stride, padding):
    return nhwc(F.max_pool2d(padded(nchw(x), size, stride, padding, -torch.inf), size, stride))


def avg_pool(x, size, stride, padding):
    """Mean over the cells inside the image."""
    ones = torch.ones_like(nchw(x))
    total, cells = (F.avg_pool2d(padded(z, size, stride, padding), size, stride) for z in (nchw(x), ones))
    return nhwc(total / cells)


def batch_norm(x, scale, shift):
    axes = tuple(range(x.dim() - 1))
    mean, variance = x.mean(axes), x.var(axes, unbiased=False)
    images = x.reshape(-1, x.shape[-1])
    y = F.batch_norm(images, None, None, scale, shift, training=True, eps=1e-3)
    n = x.shape[0]  # rows weigh the lanes when statistics are averaged, not cells
    return y.reshape(x.shape), {"mean": n * mean, "variance": n * variance}


def case(name, inputs, parameters, function):
    """Runs function(*inputs, *parameters), a tensor or (tensor, extra arrays), forward and backward."""
    leaves = [t.requires_grad_() for t in inputs if t.is_floating_point()]
    leaves += [t.requires_grad_() for t in parameters.values()]
    y = function(*inputs, *parameters.values())
    y, extra = y if isinstance(y, tuple) else (y, {})
    d_y = spread(generator(name + "/d_y"), *y.shape)
    y.backward(d_y)
    arrays = {"y": y, "d_y": d_y, **extra}
    for i, x in enumerate(inputs):
        own = "x" if i == 0 else f"x{i + 1}"
        arrays[own] = x
        if x.is_floating_point():
            arrays["d_" + own] = x.grad
    for own, p in parameters.items():
        arrays[own], arrays["d_" + own] = p, p.grad
    return {name: {k: v.detach().numpy() for k, v in arrays.items()}}


def dense_case(name, n, inputs, units, act, bias=True):
    rng = generator(name)
    x, weight = spread(rng, n, inputs), spread(rng, units, inputs) / 2
    parameters = {"weight": weight, **({"bias": spread(rng, units)} if bias else {})}
    return case(name, [x], parameters, lambda x, w, b=None: ACTIVATIONS[act](F.linear(x, w, b)))


def conv_case(name, n, image, filters, kernel, stride, padding, act, bias=True):
    rng = generator(name)
    x, weight = spread(rng, n, *image), spread(rng, filters, *kernel, image[2]) / 4
    parameters = {"weight": weight, **({"bias": spread(rng, filters)} if bias else {})}
    return case(name, [x], parameters, lambda x, w, b=None: conv(x, w, b, stride, padding, act))


def pool_case(name, pool, n, image, size, stride, padding):
    return case(name, [spread(generator(name), n, *image)], {}, lambda x: pool(x, size, stride, padding))


def plain_case(name, n, shape, function):
    return case(name, [spread(generator(name), n, *shape)], {}, function)


def norm_case(name, n, shape, function):
    rng = generator(name)
    x = 3 * spread(rng, n, *shape) + 1
    parameters = {"scale": spread(rng, shape[-1]), "shift": spread(rng, shape[-1])}
    return case(name, [x], parameters, function)


def frozen_norm_case(name, n, shape):
    """Running statistics: the output alone."""
    rng = generator(name)
    c = shape[-1]
    arrays = {"x": spread(rng, n, *shape), "scale": spread(rng, c), "shift": spread(rng, c), "mean": spread(rng, c),
              "variance": spread(rng, c).abs()}
    y = (arrays["x"] - arrays["mean"]) / torch.sqrt(arrays["variance"] + 1e-3) * arrays["scale"] + arrays["shift"]
    return {name: {k: v.numpy() for k, v in {**arrays, "y": y}.items()}}


def joint_case(name, n, shapes, function):
    rng = generator(name)
    return case(name, [spread(rng, n, *shape) for shape in shapes], {}, function)


def embedding_case(name, n, tokens, rows, units):
    rng = generator(name)
    x = torch.tensor(rng.integers(0, rows, size=(n, tokens)))
    return case(name, [x], {"weight": spread(rng, rows, units)}, lambda x, w: F.embedding(x, w))


def layer_norm(x, scale, shift):
    return F.layer_norm(x, x.shape[-1:], scale, shift, eps=1e-3)


def all_cases():
    cases = {}

    def add(maker, *arguments, **options):
        cases.update(maker(*arguments, **options))

    add(dense_case, "dense", 5, 7, 3, "none")
    add(dense_case, "dense_one", 1, 33, 17, "relu")
    add(dense_case, "dense_wide", 13, 65, 50, "tanh")
    add(dense_case, "dense_no_bias", 4, 9, 16, "gelu", bias=False)
    add(dense_case, "dense_silu", 6, 20, 24, "silu")
    add(dense_case, "dense_softmax", 3, 12, 5, "softmax")
    add(conv_case, "conv", 2, (7, 5, 3), 4, (3, 3), (1, 1), "same", "relu")
    add(conv_case, "conv_one", 1, (9, 9, 1), 8, (5, 3), (1, 1), "valid", "none")
    add(conv_case, "conv_stride_same", 3, (8, 7, 2), 5, (3, 3), (2, 2), "same", "none")
    add(conv_case, "conv_stride_count", 3, (8, 7, 2), 5, (3, 3), (2, 2), (1, 1), "leaky_relu")
    add(conv_case, "conv_even_kernel", 2, (6, 6, 3), 4, (2, 4), (1, 1), "same", "sigmoid")
    add(conv_case, "conv_point", 2, (5, 4, 6), 7, (1, 1), (2, 2), "valid", "none", bias=False)
    add(conv_case, "conv_wide", 2, (14, 14, 16), 20, (3, 3), (1, 1), "same", "silu")
    add(conv_case, "conv_pad_more", 1, (4, 5, 2), 3, (3, 2), (3, 1), (2, 1), "none")
    add(pool_case, "max_pool", max_pool, 3, (6, 8, 3), (2, 2), (2, 2), "valid")
    add(pool_case, "max_pool_one", max_pool, 1, (7, 5, 2), (3, 3), (2, 2), "same")
    add(pool_case, "max_pool_overlap", max_pool, 2, (7, 7, 5), (3, 2), (1, 1), "valid")
    add(pool_case, "avg_pool", avg_pool, 3, (6, 8, 3), (2, 2), (2, 2), "valid")
    add(pool_case, "avg_pool_one", avg_pool, 1, (7, 5, 2), (3, 3), (2, 2), "same")
    add(pool_case, "avg_pool_overlap", avg_pool, 2, (7, 7, 5), (3, 2), (1, 1), "valid")
    add(plain_case, "global_avg_pool", 3, (5, 7, 4), lambda x: x.mean((1, 2)))
    add(plain_case, "global_avg_pool_one", 1, (1, 9, 17), lambda x: x.mean((1, 2)))
    add(plain_case, "global_avg_pool_cell", 2, (1, 1, 3), lambda x: x.mean((1, 2)))
    add(plain_case, "flatten", 2, (3, 5, 2), lambda x: x.flatten(1))
    add(plain_case, "flatten_one", 1, (4, 7), lambda x: x.flatten(1))
    add(plain_case, "flatten_flat", 3, (11,), lambda x: x.flatten(1))
    add(plain_case, "reshape", 2, (4, 6), lambda x: x.reshape(-1, 3, 8))
    add(plain_case, "reshape_one", 1, (30,), lambda x: x.reshape(-1, 5, 3, 2))
    add(plain_case, "reshape_flat", 3, (3, 3, 3), lambda x: x.reshape(-1, 27))
    for act in list(ACTIVATIONS)[1:]:
        add(plain_case, f"act_{act}", 3, (4, 5, 3), ACTIVATIONS[act])
        add(plain_case, f"act_{act}_one", 1, (37,), ACTIVATIONS[act])
        add(plain_case, f"act_{act}_rows", 5, (2, 16), ACTIVATIONS[act])
    add(norm_case, "batch_norm", 6, (5,), batch_norm)
    add(norm_case, "batch_norm_image", 3, (4, 5, 7), batch_norm)
    add(norm_case, "batch_norm_one", 1, (6, 3, 4), batch_norm)
    add(frozen_norm_case, "batch_norm_frozen", 4, (3, 2, 5))
    add(norm_case, "layer_norm", 5, (9,), layer_norm)
    add(norm_case, "layer_norm_one", 1, (33,), layer_norm)
    add(norm_case, "layer_norm_tokens", 3, (4, 16), layer_norm)
    add(joint_case, "add", 2, [(3, 5)] * 2, lambda a, b: a + b)
    add(joint_case, "add_one", 1, [(17,)] * 2, lambda a, b: a + b)
    add(joint_case, "add_three", 3, [(2, 2, 4)] * 3, lambda a, b, c: a + b + c)
    add(joint_case, "multiply", 2, [(3, 5)] * 2, lambda a, b: a * b)
    add(joint_case, "multiply_one", 1, [(17,)] * 2, lambda a, b: a * b)
    add(joint_case, "multiply_image", 3, [(2, 2, 4)] * 2, lambda a, b: a * b)
    add(joint_case, "concat", 2, [(3, 5), (3, 2)], lambda a, b: torch.cat([a, b], -1))
    add(joint_case, "concat_one", 1, [(17,), (1,)], lambda a, b: torch.cat([a, b], -1))
    add(joint_case, "concat_three", 3, [(2, 2, 4), (2, 2, 1), (2, 2, 3)], lambda a, b, c: torch.cat([a, b, c], -1))
    add(embedding_case, "embedding", 3, 5, 7, 4)
    add(embedding_case, "embedding_one", 1, 9, 3, 11)
    add(embedding_case, "embedding_rows", 4, 1, 20, 16)
    return cases

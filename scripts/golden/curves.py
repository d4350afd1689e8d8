"""Losses of the first 20 steps of an MLP, a CNN and a ResNet-8: plain SGD with momentum on data by formula.

Weights and data come from an integer hash that tests/unit/test_golden_curves.c has as well, so nothing large is stored.
A batch is four lanes of eight samples; batch norm sees one lane (resnet8_whole: the batch, as PyTorch does where nobody
interferes), gradients are summed over lanes and divided once.
"""
import numpy
import torch
import torch.nn.functional as F

from layers import nchw, nhwc, padded

STEPS, LANES, LANE_ROWS, BATCHES = 20, 4, 8, 4
MOMENTUM = 0.9


def mixed(v):
    """lowbias32, an integer hash by C. Wellons: every input bit reaches every output bit."""
    v = numpy.atleast_1d(numpy.asarray(v, dtype=numpy.uint32)) # arrays wrap around in silence
    v = (v ^ (v >> numpy.uint32(16))) * numpy.uint32(0x7FEB352D)
    v = (v ^ (v >> numpy.uint32(15))) * numpy.uint32(0x846CA68B)
    return v ^ (v >> numpy.uint32(16))


def uniform(stream, count):
    """count numbers in [0, 1) with 24 bits."""
    return (mixed(numpy.arange(count, dtype=numpy.uint32) + mixed(stream)) >> numpy.uint32(8)) * 2.0**-24


def image_rows(batch):
    """x [32, 28, 28, 1] and y [32]: the class's own picture and noise, half each, around 0."""
    n = LANES * LANE_ROWS
    y = (mixed(numpy.arange(n, dtype=numpy.uint32) + numpy.uint32(1000 * (batch + 1))) % 10).astype(numpy.int64)
    pictures = numpy.stack([uniform(5000 + c, 784) for c in range(10)]).astype(numpy.float32)
    noise = uniform(6000 + batch, n * 784).reshape(n, 784).astype(numpy.float32)
    x = numpy.float32(0.5) * pictures[y] + numpy.float32(0.5) * noise - numpy.float32(0.5)
    return torch.tensor(x.astype(numpy.float64)).reshape(n, 28, 28, 1), torch.tensor(y)


class Weights:
    """Parameters in reading order; stream numbers count them."""

    def __init__(self):
        self.all = []

    def add(self, *shape, fan_in=None):
        """Uniform within sqrt(6 / fan_in), as floats; fan_in None: a bias, within 0.1."""
        bound = numpy.float32(numpy.sqrt(6.0 / fan_in)) if fan_in else numpy.float32(0.1)
        values = uniform(len(self.all) + 1, int(numpy.prod(shape))).astype(numpy.float32)
        values = (numpy.float32(2) * values - numpy.float32(1)) * bound
        self.all.append(torch.tensor(values.astype(numpy.float64).reshape(shape), requires_grad=True))
        return self.all[-1]

    def fixed(self, n, value):
        """Norm scales and shifts."""
        self.all.append(torch.full((n,), float(value), requires_grad=True))
        return self.all[-1]


def dense(weights, inputs, units):
    w, b = weights.add(units, inputs, fan_in=inputs), weights.add(units)
    return lambda x: F.linear(x, w, b)


def conv(weights, channels, filters, kernel, stride=1, bias=True, padding="same"):
    w = weights.add(filters, kernel, kernel, channels, fan_in=kernel * kernel * channels)
    b = weights.add(filters) if bias else None
    size = (kernel, kernel)

    def run(x):
        z = padded(nchw(x), size, (stride, stride), padding)
        return nhwc(F.conv2d(z, w.permute(0, 3, 1, 2), b, stride=stride))

    return run


def batch_norm(weights, channels):
    scale, shift = weights.fixed(channels, 1), weights.fixed(channels, 0)

    def run(x):
        y = F.batch_norm(x.reshape(-1, channels), None, None, scale, shift, training=True, eps=1e-3)
        return y.reshape(x.shape)

    return run


def pool(x):
    return nhwc(F.max_pool2d(nchw(x), 2))


def mlp(weights):
    one, two, three = dense(weights, 784, 512), dense(weights, 512, 512), dense(weights, 512, 10)
    return lambda x: three(torch.relu(two(torch.relu(one(x.flatten(1))))))


def cnn(weights):
    one, two = conv(weights, 1, 32, 3), conv(weights, 32, 64, 3)
    three, four = dense(weights, 3136, 128), dense(weights, 128, 10)

    def run(x):
        x = pool(torch.relu(one(x)))
        x = pool(torch.relu(two(x)))
        return four(torch.relu(three(x.flatten(1))))

    return run


def block(weights, channels, filters, stride):
    """conv bn relu conv bn, plus the input (through a strided point convolution where shapes differ), relu."""
    one, one_norm = conv(weights, channels, filters, 3, stride, bias=False), batch_norm(weights, filters)
    two, two_norm = conv(weights, filters, filters, 3, bias=False), batch_norm(weights, filters)
    short = short_norm = None
    if stride != 1 or channels != filters:
        short, short_norm = conv(weights, channels, filters, 1, stride, bias=False), batch_norm(weights, filters)

    def run(x):
        y = two_norm(two(torch.relu(one_norm(one(x)))))
        return torch.relu(y + (short_norm(short(x)) if short else x))

    return run


def resnet8(weights):
    stem, stem_norm = conv(weights, 1, 16, 3, bias=False), batch_norm(weights, 16)
    blocks = [block(weights, 16, 16, 1), block(weights, 16, 32, 2), block(weights, 32, 64, 2)]
    head = dense(weights, 64, 10)

    def run(x):
        x = torch.relu(stem_norm(stem(x)))
        for b in blocks:
            x = b(x)
        return head(x.mean((1, 2)))

    return run


def curve(maker, rate, kind=torch.float64, lanes=LANES):
    """Mean losses of the batch before each of the steps."""
    lane_rows = LANES * LANE_ROWS // lanes
    weights = Weights()
    model = maker(weights)
    for w in weights.all:
        w.data = w.data.to(kind)
    optimizer = torch.optim.SGD(weights.all, lr=rate, momentum=MOMENTUM)
    losses = []
    for step in range(STEPS):
        x, y = image_rows(step % BATCHES)
        optimizer.zero_grad()
        total = 0.0
        for lane in range(lanes):
            rows = slice(lane * lane_rows, (lane + 1) * lane_rows)
            loss = F.cross_entropy(model(x[rows].to(kind)), y[rows], reduction="sum") / len(y)
            loss.backward()
            total += float(loss.detach())
        losses.append(total)
        optimizer.step()
    return numpy.array(losses)


def all_curves():
    groups = {}
    for name, maker, rate, lanes in (("mlp", mlp, 0.01, LANES), ("cnn", cnn, 0.005, LANES),
                                     ("resnet8", resnet8, 0.005, LANES), ("resnet8_whole", resnet8, 0.005, 1)):
        loss = curve(maker, rate, lanes=lanes)
        single = curve(maker, rate, torch.float32, lanes)
        print(f"{name}: {loss[0]:.4f} -> {loss[-1]:.4f}, PyTorch in float is off by "
              f"{numpy.max(numpy.abs(single / loss - 1)):.1e}")
        groups[name] = {"loss": loss, "rate": numpy.array([rate])}
    return groups

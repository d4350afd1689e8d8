"""The models of the comparison in PyTorch, with weights taken from a Lockstep checkpoint (step 0)."""
import h5py
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense_1, self.dense_2, self.dense_3 = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)

    def forward(self, x):
        x = F.relu(self.dense_1(x.flatten(1)))
        return self.dense_3(F.relu(self.dense_2(x)))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv2d_1, self.conv2d_2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.features, self.dense_1 = nn.Linear(3136, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2d_1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2d_2(x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # Lockstep flattens channels last
        return self.dense_1(F.relu(self.features(x)))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv_a, self.norm_a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv_b, self.norm_b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short, self.short_norm = nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.norm_b(self.conv_b(F.relu(self.norm_a(self.conv_a(x)))))
        return F.relu(y + (x if self.short is None else self.short_norm(self.short(x))))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
        self.dense = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.norm(self.conv(x))))
        return self.dense(x.mean((2, 3)))


class GptBlock(nn.Module):
    def __init__(self, width, heads, sdpa):
        super().__init__()
        self.heads, self.sdpa = heads, sdpa
        self.norm_a, self.norm_b = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm_a(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.sdpa:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            future = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
            y = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).masked_fill(future, -torch.inf).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.norm_b(x))))


class Gpt(nn.Module):
    def __init__(self, width, sdpa, layers=4, heads=4, tokens=96, context=128):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(tokens, width), nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.Sequential(*[GptBlock(width, heads, sdpa) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tokens(x) + self.positions)))


def make(name, sdpa=True):
    if name == "mlp":
        return Mlp()
    if name == "cnn":
        return Cnn()
    if name == "resnet8":
        return ResNet8()
    if name.startswith("gpt-"):
        return Gpt(int(name[4:]), sdpa)
    if name.startswith("linear-"):
        return nn.Linear(int(name[7:]), 1)
    raise SystemExit(f"unknown model {name}")


def load(model, path):
    """Copies parameters in reading order: Lockstep stores output first and convolutions as [filters, kh, kw, channels].

    Modules are matched by order of creation in both programs, weight before bias; batch norm and layer norm are
    scale and shift here, weight and bias there.
    """
    with h5py.File(path, "r") as file:
        group = file["/model"]
        order = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["span_names"]]
        arrays = [np.asarray(group[name]) for name in order if not name.endswith(("/mean", "/variance"))]
    parameters = list(reading_order(model))
    assert len(parameters) == len(arrays), (len(parameters), len(arrays))
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays):
            if array.ndim == 4:
                array = array.transpose(0, 3, 1, 2)
            assert tuple(parameter.shape) == array.shape, (tuple(parameter.shape), array.shape)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def reading_order(model):
    """Parameters in the order in which a Lockstep configuration names them."""
    if isinstance(model, Gpt):
        yield model.tokens.weight
        yield model.positions
        for block in model.blocks:
            for module in (block.norm_a, block.qkv, block.out, block.norm_b, block.up, block.down):
                yield module.weight
                yield module.bias
        for module in (model.norm, model.head):
            yield module.weight
            yield module.bias
    else:
        yield from model.parameters()

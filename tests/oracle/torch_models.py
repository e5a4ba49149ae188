"""Small networks as torch exports them to ONNX: what occurs in common models, and the shapes that exporters compute on the way."""

import contextlib
import io
import warnings

import torch
from torch import nn
from torch.nn import functional as F


class Function(nn.Module):
    def __init__(self, forward, *modules):
        super().__init__()
        self.function, self.modules_ = forward, nn.ModuleList(modules)

    def forward(self, *x):
        return self.function(self.modules_, *x)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head, self.place = nn.Embedding(50, 16), nn.Linear(16, 7), nn.Parameter(torch.randn(1, 12, 16))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True), 2)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x) + self.place[:, :x.shape[1]]))


class Decoder(nn.Module):
    """One block of a GPT, its causal mask made of minus infinities."""

    def __init__(self):
        super().__init__()
        self.embedding, self.qkv, self.out, self.norm = nn.Embedding(50, 16), nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)
        self.head = nn.Linear(16, 50, bias=False)

    def forward(self, x):
        h = self.embedding(x)
        b, t, c = h.shape
        q, k, v = [p.view(b, t, 4, 4).transpose(1, 2) for p in self.qkv(self.norm(h)).split(16, 2)]
        scores = (q @ k.transpose(-2, -1) * 0.5).masked_fill(torch.tril(torch.ones(t, t))[None, None] == 0, float("-inf"))
        return self.head(h + self.out((F.softmax(scores, -1) @ v).transpose(1, 2).contiguous().view(b, t, c)))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.up = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1), nn.ConvTranspose2d(16, 8, 2, 2)
        self.out, self.drop = nn.Conv2d(16, 2, 1), nn.Dropout2d(0.3)

    def forward(self, x):
        a = F.relu(self.a(x))
        return torch.sigmoid(self.out(self.drop(torch.cat([self.up(F.relu(self.b(a))), a], 1))))


class Mobile(nn.Module):
    """Depthwise convolutions, squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.stem, self.deep = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 5, 1, 2, groups=8)
        self.squeeze, self.excite, self.head = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1), nn.Linear(8, 3)

    def forward(self, x):
        x = F.hardswish(self.stem(x))
        y = self.deep(x)
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return F.softmax(self.head((y * gate + x).mean((2, 3))), 1)


def activations(m, x):
    return [F.elu(x), F.selu(x), F.celu(x, 0.7), F.leaky_relu(x, 0.2), F.hardsigmoid(x), F.hardswish(x), F.mish(x), F.gelu(x),
            F.gelu(x, approximate="tanh"), F.softsign(x), F.softplus(x), F.hardtanh(x), F.relu6(x), F.silu(x), F.logsigmoid(x), F.glu(x, 3),
            F.softshrink(x), F.hardshrink(x), F.tanhshrink(x), m[0](x), F.softmin(x, 1), F.log_softmax(x, -1)]


def shapes(_, x):
    return [x.permute(0, 2, 3, 1).reshape(x.shape[0], -1), x.flatten(1).view(x.shape[0], 3, -1), x.unsqueeze(2), x.repeat(1, 2, 1, 1),
            torch.cat([x, x], 1).chunk(3, 1)[0], torch.stack([x, x], 1), x[:, :, ::2, 1:-1], F.pad(x, (1, 2, 3, 0)),
            F.pad(x, (1, 1, 2, 2), mode="reflect"), F.pad(x, (1, 1, 2, 2), mode="replicate"), F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2),
            torch.roll(x, 1, 2), torch.flip(x, [3]), x.split([1, 2], 1)[1], torch.tril(x), x.mean((2, 3))[:, :, None, None].expand_as(x)]


def reductions(_, x):
    return [x.mean((2, 3)), x.sum(1, keepdim=True), x.amax(2), x.amin((1, 2)), x.prod(3), x.norm(dim=1), x.norm(1, dim=1), x.argmax(1),
            torch.logsumexp(x, 1), x.var(1), x.std((2, 3)), x.topk(2, -1)[0], x.cumsum(1), x.max(1)[0], F.normalize(x, dim=1), torch.min(x),
            torch.maximum(x, x * 2), torch.clamp(x, 0.1, 0.5), torch.where(x > 0.5, x, -x), x % 0.3, torch.einsum("bchw,bdhw->bcd", x, x)]


def sizes(_, x):
    return [F.interpolate(x, scale_factor=2), F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
            F.interpolate(x, size=(7, 9), mode="bicubic"), F.interpolate(x, scale_factor=1.5, mode="bilinear"),
            F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), F.lp_pool2d(x, 2, 2),
            F.adaptive_avg_pool2d(x, (4, 5)), F.adaptive_max_pool2d(x, 1), F.max_pool2d(x, 2, return_indices=True)[1]]


def places(m, x, i):
    return [x.gather(1, i), x.scatter(1, i, 9.0), x.index_select(1, torch.tensor([0, 2])), m[0](i),
            F.one_hot(i, 6)]


def models():
    """{name: (module, inputs, the axis of the batch)}"""
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 20)
    made = {
        "norms": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.GroupNorm(4, 8),
                                nn.SiLU(), nn.LocalResponseNorm(5), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 12 * 16, 5)), (image,)),
        "activations": (Function(activations, nn.PReLU(3)), (image,)), "shapes": (Function(shapes), (image,)),
        "reductions": (Function(reductions), (image,)), "sizes": (Function(sizes), (image,)),
        "places": (Function(places, nn.Embedding(6, 4)), (torch.rand(2, 6), torch.randint(0, 6, (2, 3)))),
        "transformer": (Transformer(), (torch.randint(0, 50, (2, 12)),)), "decoder": (Decoder(), (torch.randint(0, 50, (2, 12)),)),
        "unet": (UNet(), (image,)), "mobile": (Mobile(), (image,)),
        "windows": (Function(lambda m, x, y: [m[0](x), m[1](y)], nn.Conv1d(4, 6, 3, 2, 2, 2), nn.Conv3d(2, 4, (1, 3, 3))),
                    (torch.rand(2, 4, 15), torch.rand(2, 2, 4, 6, 5))),
    }
    for kind in (nn.RNN, nn.LSTM, nn.GRU):
        for both in (False, True):
            layer = kind(6, 5, num_layers=2, bidirectional=both, batch_first=True)
            made[f"{kind.__name__.lower()}{'-both' if both else ''}"] = (
                Function(lambda m, x: m[1](m[0](x)[0][:, -1]), layer, nn.Linear(10 if both else 5, 3)), (torch.rand(2, 7, 6),))
    return made


def export(model, inputs, path, opset, open_batch):
    """False where torch does not export the model in this operator set."""
    names = [f"x{k}" for k in range(len(inputs))]
    axes = {n: {0: "batch"} for n in names} if open_batch else None
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(model.eval(), inputs, str(path), dynamo=False, input_names=names, opset_version=opset, dynamic_axes=axes)
        except torch.onnx.errors.UnsupportedOperatorError:
            return False
    return True

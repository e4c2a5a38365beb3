"""Golden values of the network variants, from the authors' code, see README.md beside this file.

  python3 make_variants.py SINET EXTREMEC3NET SINET_CITYSCAPES PORTRAITNET [OUTPUT]

The first four are the Python files that define the networks: models/SINet.py and
models/extremeC3.py of clovaai/ext_portrait_segmentation, models/SINet.py of clovaai/c3_sinet
and model/model_mobilenetv2_seg_small.py of dong-x16/PortraitNet. OUTPUT is variants.safetensors
beside this file unless given. Needs torch (made with 1.13, CPU) and numpy.
"""

import contextlib
import io
import json
import math
import pathlib
import struct
import sys
import types
import warnings

import numpy as np
import torch

MAX_SAMPLES = 512  # of one output


def text_hash(text):
    value = 0
    for byte in text.encode():
        value = (value * 31 + byte) % 1000003
    return value


def uniform(key, shape):
    """Numbers in [0, 1) that depend on `key` and the flat index only."""
    index = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
    step = np.uint64((text_hash(key) + 1) * 2654435761)
    low = (index * step) & np.uint64(0xFFFFFFFF)
    return torch.from_numpy(low.astype(np.float64) / 2.0**32).reshape(shape)


def formula_weight(key, shape, keys):
    u = uniform(key, shape)
    prefix, _, kind = key.rpartition(".")
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if len(shape) >= 2:
        return (u - 0.5) * 2 * math.sqrt(3 * shape[0] / math.prod(shape))
    if kind == "running_var":
        return 0.6 + u
    if kind in ("running_mean", "bias"):
        return (u - 0.5) * 0.2
    assert kind == "weight", key
    is_batch_norm = prefix + ".running_mean" in keys
    return 0.6 + 0.8 * u if is_batch_norm else 0.25 + (u - 0.5) * 0.3


def fill(model):
    """Gives `model` the weights of the formula, in float64."""
    model.double()
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    model.load_state_dict({key: formula_weight(key, shape, shapes) for key, shape in shapes.items()})
    return model


def formula_input(key, batch, size):
    return uniform(key, (batch, 3, *size)) * 4 - 2


def as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def sampled(tensor):
    flat = tensor.detach().flatten()
    return flat[:: math.ceil(flat.numel() / MAX_SAMPLES)].numpy().astype(np.float32)


def weighted_sum(tensor, key):
    return (tensor.detach() * (uniform(key, tuple(tensor.shape)) - 0.5)).sum().item()


def eval_values(model, size, second_output):
    model.eval()
    x = formula_input("input", 1, size)
    with torch.no_grad():
        logits, *others = as_tuple(model(x))
        if second_output == "coarse":
            others = [model.encoder(x)]
    values = {
        "logits": sampled(logits),
        "shape": np.array(logits.shape, dtype=np.int64),
        "logits_dot": np.array([weighted_sum(logits, "r")]),
    }
    for other in others:
        values[second_output] = sampled(other)
        values[second_output + "_shape"] = np.array(other.shape, dtype=np.int64)
        values[second_output + "_dot"] = np.array([weighted_sum(other, "r2")])
    return values


def train_values(model, size, second_output):
    model.train()
    x = formula_input("train_input", 2, size)
    if second_output == "coarse":
        coarse, logits = model(x, train=True)
        outputs = (logits, coarse)
    else:
        outputs = as_tuple(model(x))
    loss = sum((out * (uniform(key, tuple(out.shape)) - 0.5)).sum() for out, key in zip(outputs, ("r", "r2")))
    model.zero_grad()
    loss.backward()
    parameters = sorted(model.named_parameters())
    norms, dots = [], []
    for key, parameter in parameters:
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        norms.append(gradient.norm().item())
        dots.append(weighted_sum(gradient, key + ".dot"))
    return {
        "train_loss": np.array([loss.item()]),
        "parameters": np.array([len(parameters)], dtype=np.int64),
        "grad_norms": np.array(norms),
        "grad_dots": np.array(dots),
    }


def load_module(path):
    """Runs a reference file, with what keeps one of them from Python 3 put right in memory."""
    source = pathlib.Path(path).read_text(encoding="utf-8").replace("(kernel-1)/2", "(kernel-1)//2")
    module = types.ModuleType(pathlib.Path(path).stem)
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def stub_torchvision():  # imported by a reference, used by none
    package, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
    package.models = models
    sys.modules.setdefault("torchvision", package)
    sys.modules.setdefault("torchvision.models", models)


def variants(sinet, extremec3, cityscapes, portraitnet):
    """(name, function that builds the network, input size, name of the second output)."""

    def same_blocks(kernel, pool):
        blocks = [[[kernel, pool], [kernel, pool]] for _ in range(10)]
        return lambda: sinet.SINet(blocks, classes=2, p=2, q=8, chnn=1)

    def portrait(**options):
        return lambda: portraitnet.MobileNetV2(**options)

    def aux(classes):
        return lambda: cityscapes.Dnc_SINaux(classes=classes, p=3, q=10, chnn=4)

    def c3(classes, p, q):
        return lambda: extremec3.Stage2_ExtremeC3Net(classes=classes, p=p, q=q)

    return [
        ("sinet_classes5", lambda: sinet.Dnc_SINet(classes=5, p=2, q=8, chnn=1), (64, 96), None),
        ("sinet_k3p1", same_blocks(3, 1), (64, 64), None),
        ("sinet_k5p4", same_blocks(5, 4), (64, 64), None),
        ("extremec3net_classes4", c3(4, 1, 5), (64, 96), None),
        ("extremec3net_p2q3", c3(1, 2, 3), (64, 64), None),
        ("portraitnet_grouped", portrait(useDeconvGroup=True), (64, 96), None),
        ("portraitnet_bilinear", portrait(useUpsample=True, addEdge=True), (64, 64), "edge"),
        ("portraitnet_half", portrait(channelRatio=0.5, addEdge=True), (64, 64), "edge"),
        ("portraitnet_narrow", portrait(channelRatio=0.35), (64, 64), None),
        ("portraitnet_classes9", portrait(n_class=9), (64, 64), None),
        ("sinet_cityscapes", aux(19), (128, 256), "coarse"),
        ("sinet_cityscapes_classes3", aux(3), (128, 128), "coarse"),
    ]


def write_safetensors(path, arrays):
    header, data = {}, b""
    names = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.int64): "I64"}
    # Widest numbers first, so that each tensor begins at a multiple of its own size.
    for key, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[key] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main(arguments):
    if len(arguments) not in (4, 5):
        sys.exit(__doc__)
    output = arguments[4] if len(arguments) == 5 else pathlib.Path(__file__).with_name("variants.safetensors")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # calls that torch has deprecated since
    stub_torchvision()
    arrays = {}
    for name, build, size, second in variants(*map(load_module, arguments[:4])):
        with contextlib.redirect_stdout(io.StringIO()):  # the references print while they build
            model = fill(build())
        values = {**eval_values(model, size, second), **train_values(model, size, second)}
        arrays.update({f"{name}.{key}": value for key, value in values.items()})
        logits = values["logits"]
        print(f"{name}: {sum(p.numel() for p in model.parameters())} weights, logits {logits.min():.4g} to "
              f"{logits.max():.4g}, deviation {logits.std():.4g}, loss {values['train_loss'][0]:.6g}")
    write_safetensors(output, arrays)


if __name__ == "__main__":
    main(sys.argv[1:])

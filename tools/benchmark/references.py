"""The reference implementations as the comparisons use them: their networks, and what they need that Python 3, NumPy 1.24,
OpenCV 4 and PyTorch 1.13 took away. Their code runs as it is, from check-outs of clovaai/ext_portrait_segmentation and
dong-x16/PortraitNet."""

import argparse
import builtins
import contextlib
import importlib
import importlib.util
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
import types
import warnings

warnings.filterwarnings("ignore")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETWORKS = ("sinet", "extremec3net", "portraitnet")
SIZE = 224
CLASS_WEIGHTS = [2.5818, 1.83028]  # what data/loadData.py of clova computes over EG1800


def give_back_what_is_gone():
    import cv2
    import numpy as np
    np.int = int
    np.float = float
    builtins.long = int
    find_contours = cv2.findContours

    def find_contours_of_opencv_3(image, *rest):
        contours, hierarchy = find_contours(image, *rest)
        return image, contours, hierarchy

    cv2.findContours = find_contours_of_opencv_3
    for name in ("pycocotools", "pycocotools.coco", "pycocotools.cocoeval", "pycocotools.mask", "easydict", "scipy",
                 "scipy.ndimage", "scipy.ndimage.filters"):  # imported, but not used in training on EG1800
        sys.modules.setdefault(name, types.ModuleType(name))
    if importlib.util.find_spec("torchvision") is None:  # as well
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional",
                     "torchvision.datasets", "torchvision.models"):
            sys.modules[name] = types.ModuleType(name)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, sys.modules[name])
        sys.modules["torchvision.transforms"].Pad = None
    sys.modules["scipy.ndimage.filters"].gaussian_filter = None
    sys.modules["pycocotools"].mask = sys.modules["pycocotools.mask"]
    sys.modules["pycocotools.coco"].COCO = None
    sys.modules["pycocotools.cocoeval"].COCOeval = None
    sys.modules["easydict"].EasyDict = types.SimpleNamespace


def network(name, arguments):
    """In the form its training script builds for EG1800: PortraitNet with both heads, ExtremeC3Net with Lovasz' one class."""
    with contextlib.redirect_stdout(sys.stderr):
        if name == "portraitnet":
            sys.path.insert(0, os.path.join(arguments.portraitnet, "model"))
            module = importlib.import_module("model_mobilenetv2_seg_small")
            result = module.MobileNetV2(n_class=2, useUpsample=False, useDeconvGroup=False, addEdge=True,
                                        channelRatio=1.0, minChannel=16, weightInit=True, video=False)
            for layer in result.modules():
                if hasattr(layer, "padding"):  # half of an integer was one in Python 2
                    layer.padding = tuple(int(side) for side in layer.padding)
            return result
        sys.path.insert(0, arguments.clova)
        models = importlib.import_module("models")
        if name == "sinet":
            return models.Dnc_SINet(classes=2, p=2, q=8, chnn=1)
        return models.Stage2_ExtremeC3Net(classes=1, p=1, q=5)


def clova_optimizer(torch, model, lr=5e-4):
    """Adam with main.py's "wd_tfmode": depthwise kernels do not decay, what is no kernel decays by a hundredth."""
    decay = 2e-4
    groups = []
    for parameter in model.parameters():
        share = 0.01 if parameter.dim() != 4 else 0.0 if parameter.size(1) == 1 else 1.0
        groups.append({"params": [parameter], "weight_decay": decay * share})
    return torch.optim.Adam(groups, lr, (0.9, 0.999), eps=1e-8, weight_decay=decay)


def read_list(data, name):
    with open(os.path.join(data, name)) as lines:
        return [line.strip() for line in lines]


def write_labels_of_255(data, names, folder):
    """Masks as clova's data set wants them, from those of 0 and 1."""
    import cv2
    for name in names:
        label = os.path.splitext(name)[0] + ".png"
        cv2.imwrite(os.path.join(folder, label), 255 * cv2.imread(os.path.join(data, "Labels", label), 0))


def write_clova_data(data, lists, numbers, folder):
    """What clova's loader takes: the labels, and cache.p with the images' and labels' places by part, "train" and "val", and with
    what it computes over the training images."""
    import numpy as np
    cache = {name: np.array(values, np.float32) for name, values in numbers.items()}
    for part, names in lists.items():
        write_labels_of_255(data, names, folder)
        cache[part + "Im"] = [os.path.join(data, "Images", name) for name in names]
        cache[part + "Annot"] = [os.path.join(folder, os.path.splitext(name)[0] + ".png") for name in names]
    with open(os.path.join(folder, "cache.p"), "wb") as file:
        pickle.dump(cache, file)


def clova_loaders(settings, folder, batch):
    """Its training and validation loader, and the numbers of the cache."""
    options = {**settings["data_config"], "cash": os.path.join(folder, "cache.p"), "Enc": False, "scaleIn": 1, "batch_size": batch}
    return importlib.import_module("data.dataloader").get_dataloader(options)


def clova_settings(clova):
    with open(os.path.join(clova, "setting", "SINet.json")) as file:
        return json.load(file)


def divide_integers_to_integers(torch):
    """As Tensor.div() did before PyTorch 1.5: clova's labels rest on it."""
    divide = torch.Tensor.div
    torch.Tensor.div = lambda self, by: divide(self, by, rounding_mode=None if self.is_floating_point() else "trunc")


def parser():
    """With what every comparison of networks is told."""
    result = argparse.ArgumentParser()
    result.add_argument("--clova", required=True)
    result.add_argument("--portraitnet", required=True)
    result.add_argument("--command", required=True)
    result.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    result.add_argument("--rounds", type=int, default=5)
    return result


def loop_parser():
    """With what every comparison of clova's own loop over EG1800 is told; --measure: see run_again()."""
    result = argparse.ArgumentParser()
    result.add_argument("--clova", required=True)
    result.add_argument("--data", required=True, type=os.path.abspath)
    result.add_argument("--command", required=True)
    result.add_argument("--rounds", type=int, default=3)
    result.add_argument("--measure", help=argparse.SUPPRESS)
    return result


def run_json(line):
    """What a command prints. OpenMP's threads sleep while they wait, as those of portraitseg: nothing is lost by it on a quiet
    machine, and another program on it does not slow them down tenfold."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def run_timed(line):
    """Seconds, and the peak of memory in MiB, of a command whose output does not count."""
    start = time.perf_counter()
    process = subprocess.Popen(line, stdout=sys.stderr, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit("failed: " + " ".join(line))
    return {"s": time.perf_counter() - start, "mib": usage.ru_maxrss / 1024}


def run_again(script, arguments, folder):
    """The JSON that a comparison prints when it is to measure the reference, in a process of its own."""
    return run_json([sys.executable, os.path.abspath(script), "--clova", os.path.abspath(arguments.clova), "--data", arguments.data,
                     "--command", arguments.command, "--measure", folder])


def ours(command, options):
    """The JSON of `portraitseg benchmark OPTIONS`; few rounds, since the caller repeats it in turns with the others."""
    return run_json([command, "benchmark", *options, "--rounds", "3", "--json", "-"])


def print_medians(title, rounds, reference, memory=None):
    """Milliseconds an image by who was measured, beside how many times faster `reference` we are."""
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    least = {name: min(one[name] for one in rounds) for name in rounds[0]}
    for name, ms in medians.items():
        mib = "" if memory is None else f"  {memory[name]:7.0f} MiB"
        times = ""
        if name == "portraitseg":
            times = f"  {medians[reference] / ms:5.2f} times {reference} (least: {least[reference] / least[name]:.2f})"
        print(f"{title:30} {name:24} {ms:8.2f} ms an image (least {least[name]:.2f}){mib}{times}", flush=True)

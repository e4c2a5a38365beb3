"""Ten optimiser steps of every recipe of configs/, float64, beside the references' own networks, losses and optimisers.

    compare_recipes.py --clova DIR --portraitnet DIR --c3_sinet DIR --command build/release/portraitseg

DIR are check-outs of clovaai/ext_portrait_segmentation, dong-x16/PortraitNet and clovaai/c3_sinet. A recipe is a file of
configs/, trained by `portraitseg train` in all its stages; only the images (four, 64x64 or 128x128, one batch), the number of epochs (ten,
of one step each), the precision and each stage's initial weights are set. Both sides see the same batches: nothing moves, and
where a recipe has two views the brightness is raised by a fixed factor; PortraitNet for video finds no frame before. The terms of
the loss are compared step by step. Ends with 1 if any differs by more than 1e-6. Needs PyTorch, OpenCV and Pillow; no GPU.
"""

import contextlib
import importlib
import json
import math
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "benchmark"))
import references  # noqa: E402

IMAGES, STEPS = 4, 10
IGNORED = 255
CITYSCAPES, EASYPORTRAIT = 19, 9  # classes
CITYSCAPES_WEIGHTS = [2.81492, 6.985, 3.78904, 9.94281, 9.77021, 9.51109, 10.31136, 10.02646, 4.6323, 9.56081, 7.86982, 9.51687,
                      10.37373, 6.6616, 10.26049, 10.28789, 10.2898, 10.40536, 10.1381]
BRIGHTER = 1.5
TOLERANCE = 1e-6


class Data:
    """Blobs on a gradient, written for portraitseg, and as the networks see them: pixels / 256, which float32 holds exactly."""

    def __init__(self, folder, size, classes):
        """@param classes 0: masks of a portrait, written as 0 and 255; else stripes of many, and a border that is ignored"""
        self.folder, self.size, self.classes, self.images, self.masks = folder, size, classes, [], []
        random = np.random.RandomState(1)
        rows, columns = np.mgrid[:size, :size] * (64 / size)
        for name in ("Images", "Labels"):
            os.makedirs(os.path.join(folder, name))
        for i in range(IMAGES):
            y, x, height, width = random.uniform((28, 28, 14, 12), (40, 40, 26, 20))
            mask = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 < 1
            background = np.stack([rows + 2 * columns, 2 * rows, 190 - columns - rows], 2) * random.uniform(0.4, 0.9, 3)
            image = np.where(mask[..., None], random.uniform(60, 160, 3), background) + random.normal(0, 12, (size, size, 3))
            if classes:
                mask = np.where(mask, 1 + (rows + columns).astype(int) // 6 % (classes - 1), 0)
                mask[rows < 3] = IGNORED
            self.images.append(np.clip(image, 0, 255).astype(np.uint8))
            self.masks.append(mask.astype(np.uint8))
            cv2.imwrite(os.path.join(folder, "Images", f"{i}.png"), self.images[-1])
            cv2.imwrite(os.path.join(folder, "Labels", f"{i}.png"), self.masks[-1] * (1 if classes else 255))
        with open(os.path.join(folder, "all.txt"), "w") as file:
            file.write("".join(f"{i}.png\n" for i in range(IMAGES)))

    @staticmethod
    def _tensor(images):
        return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2) / 256.0)

    def image(self):
        return self._tensor(self.images)

    def brighter(self):
        enhanced = [np.asarray(ImageEnhance.Brightness(Image.fromarray(image)).enhance(BRIGHTER))
                    for image in self.images]
        return self._tensor(enhanced)

    def labels(self, stride=1):
        side = self.size // stride
        small = [cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST) for mask in self.masks]
        return torch.from_numpy(np.stack(small)).long()

    def bands(self, kernel, stride=1):
        """The label where dilation and erosion differ, ignored elsewhere."""
        labels, element = self.labels(stride), np.ones((kernel, kernel), np.uint8)
        for label in labels:
            mask = 255 * label.numpy().astype(np.uint8)
            label[torch.from_numpy(cv2.dilate(mask, element) == cv2.erode(mask, element))] = IGNORED
        return labels

    def outlines(self):
        drawn = []
        for mask in self.masks:
            contours = cv2.findContours(255 * mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
            drawn.append(cv2.drawContours(np.zeros_like(mask), contours, -1, 1, 4))
        return torch.from_numpy(np.stack(drawn)).long()


def clova_stage(arguments, data, model, lr, lovasz, stride, kernel):
    """etc/help_function.py's own epoch, over a loader of one batch, with main.py's optimiser and schedule."""
    helpers = importlib.import_module("etc.help_function")
    if lovasz:
        loss = importlib.import_module("etc.lovasz_losses").lovasz_hinge(ignore=IGNORED)
        names = ("lovasz_hinge.mask.label", "lovasz_hinge.mask.edge_band")
    else:
        loss = importlib.import_module("etc.Criteria").CrossEntropyLoss2d(
            torch.tensor(references.CLASS_WEIGHTS), ignore=IGNORED)
        names = ("cross_entropy.mask.label", "cross_entropy.mask.edge_band")
    optimizer = references.clova_optimizer(torch, model, lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [STEPS // 2, STEPS - STEPS // 6], gamma=0.5)
    batch = (data.image(), data.labels(stride), data.bands(kernel, stride))
    for step in range(STEPS):
        whole, edge, _ = helpers.train_edge(0, [batch], model, loss, optimizer, lovasz, step, STEPS)
        schedule.step()
        yield dict(zip(names, (whole, edge)))


def modules_of(folder, *names):
    """Of a check-out whose packages are called as another's."""
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in ("etc", "models")}
    sys.path.insert(0, folder)
    found = [importlib.import_module(name) for name in names]
    sys.path.remove(folder)
    for name in [name for name in sys.modules if name.split(".")[0] in ("etc", "models")]:
        del sys.modules[name]
    sys.modules.update(others)
    return found


def cityscapes_stage(arguments, data, model):
    """c3_sinet's own epoch, over a loader of one batch, with main_Auxloss.py's optimiser and schedule."""
    helpers, utils, criteria = modules_of(arguments.c3_sinet, "etc.help_functionAux", "etc.utils", "etc.Criteria")
    loss = criteria.CrossEntropyLoss2d(torch.tensor(CITYSCAPES_WEIGHTS), ignore_id=CITYSCAPES)
    groups = []
    for parameter in model.parameters():
        decay = 2e-4 * 0.05 if parameter.dim() != 4 else 0.0 if parameter.size(1) == 1 else 2e-4
        groups.append({"params": [parameter], "weight_decay": decay})
    optimizer = torch.optim.SGD(groups, 0.045, momentum=0.9, weight_decay=2e-4, nesterov=True)
    schedule = utils.WarmupPoly(0.045, STEPS, warmup_ratio=0.05, poly_pow=0.98)
    coarse, mask = (labels.masked_fill(labels == IGNORED, CITYSCAPES) for labels in (data.labels(16), data.labels(2)))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = schedule.get_lr(step)
        values = []

        def recorded(output, target):
            values.append(loss(output, target))
            return values[-1]

        helpers.train(0, CITYSCAPES, [(data.image(), coarse, mask)], model, recorded, optimizer, step, STEPS, 0.25)
        yield {"cross_entropy.mask.label": values[0].item(), "cross_entropy.coarse.label": 0.25 * values[1].item()}


def easyportrait_stage(data, model, optimizer):
    """What mmsegmentation does for hukenovs/easyportrait: cross-entropy, poly by epoch. Its own runner needs CUDA."""
    loss, rates = torch.nn.CrossEntropyLoss(ignore_index=IGNORED), [group["lr"] for group in optimizer.param_groups]
    model.train()
    for step in range(STEPS):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - step / STEPS) ** 0.9
        value = loss(model(data.image()), data.labels())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        yield {"cross_entropy.mask.label": value.item()}


def portraitnet_stage(arguments, data, model, boundary, consistency, prior):
    """The training loop of myTrain/train.py; its own cannot run: it needs CUDA and PyTorch 0.3."""
    sys.path.insert(0, os.path.join(arguments.portraitnet, "util"))
    cross_entropy, divergence = torch.nn.CrossEntropyLoss(ignore_index=IGNORED), torch.nn.KLDivLoss()
    focal = importlib.import_module("focal_loss").FocalLoss(gamma=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=5e-4)
    image = data.brighter() if boundary or consistency else data.image()  # as ours() sets it in a second stage
    if prior:
        image = torch.cat([image, torch.zeros_like(image[:, :1])], 1)  # of a frame that none came before
    labels, outlines = data.labels(), data.outlines()

    def masks(output):
        return output[0] if boundary else output

    model.train()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 0.95 ** (step // 20)
        output = model(image)
        terms = {"cross_entropy.mask.label": cross_entropy(masks(output), labels)}
        if boundary:
            terms["focal.boundary.contour"] = 0.1 * focal(output[1], outlines)
        if consistency:
            teacher = masks(model(data.image()))
            terms["cross_entropy.mask.label.deformed"] = cross_entropy(teacher, labels)
            terms["consistency.mask"] = 2 * divergence(torch.nn.functional.log_softmax(masks(output), 1),
                                                       torch.nn.functional.softmax(teacher.detach(), 1))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        yield {name: term.item() for name, term in terms.items()}


def portraitnet(arguments, boundary=False, prior=False, classes=2):
    """With other transposed kernels than the reference begins with: its bilinear ones give all channels of a map the same values,
    whose differences are rounding alone, and these grow a hundredfold a step. With them the reference differs from itself by
    0.03 after ten steps if its initial weights are changed by one part in 10^16."""
    sys.path.insert(0, os.path.join(arguments.portraitnet, "model"))
    module = importlib.import_module("model_mobilenetv2_seg_small")
    model = module.MobileNetV2(n_class=classes, useUpsample=False, useDeconvGroup=False, addEdge=boundary, channelRatio=1.0,
                               minChannel=16, weightInit=True, video=prior)
    for layer in model.modules():
        if hasattr(layer, "padding"):  # half of an integer was one in Python 2
            layer.padding = tuple(int(side) for side in layer.padding)
        if isinstance(layer, torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(layer.weight, 0, (2 / layer.in_channels) ** 0.5 / 4)
    return model


def recipes(arguments):
    """By configuration: of each stage the network, and what trains it there."""
    sys.path.insert(0, arguments.clova)
    models = importlib.import_module("models")

    def clova(model, **options):
        return model, lambda data: clova_stage(arguments, data, model, **options)

    def portrait(boundary=False, consistency=False, prior=False):
        model = portraitnet(arguments, boundary, prior)
        return model, lambda data: portraitnet_stage(arguments, data, model, boundary, consistency, prior)

    def cityscapes():
        model = modules_of(arguments.c3_sinet, "models")[0].Dnc_SINaux(classes=CITYSCAPES, p=3, q=10, chnn=4)
        return model, lambda data: cityscapes_stage(arguments, data, model)

    def easyportrait(model, optimizer):
        return model, lambda data: easyportrait_stage(data, model, optimizer(model))

    def clova_adam(lr):
        return lambda model: references.clova_optimizer(torch, model, lr)

    def adam(model):
        return torch.optim.Adam(model.parameters(), 1e-3, weight_decay=5e-4)

    return {
        "sinet_eg1800": [
            clova(models.Enc_SINet(classes=2, p=2, q=8, chnn=1), lr=5e-4, lovasz=False, stride=8, kernel=5),
            clova(models.Dnc_SINet(classes=2, p=2, q=8, chnn=1), lr=5e-4, lovasz=False, stride=1, kernel=15)],
        "extremec3net_eg1800": [
            clova(models.Stage1_ExtremeC3Net(classes=1, p=1, q=5), lr=1e-3, lovasz=True, stride=4, kernel=5),
            clova(models.Stage2_ExtremeC3Net(classes=1, p=1, q=5), lr=1e-3, lovasz=True, stride=1, kernel=15)],
        "portraitnet_eg1800_mask_only": [portrait()],
        "portraitnet_eg1800_boundary": [portrait(), portrait(boundary=True)],
        "portraitnet_eg1800_consistency": [portrait(), portrait(consistency=True)],
        "portraitnet_eg1800": [portrait(), portrait(boundary=True, consistency=True)],
        "portraitnet_video": [portrait(prior=True)],
        "sinet_cityscapes": [cityscapes()],
        "sinet_easyportrait": [
            easyportrait(models.Dnc_SINet(classes=EASYPORTRAIT, p=2, q=8, chnn=1), clova_adam(5e-4))],
        "extremec3net_easyportrait": [
            easyportrait(models.Stage2_ExtremeC3Net(classes=EASYPORTRAIT, p=1, q=5), clova_adam(1e-3))],
        "portraitnet_easyportrait": [easyportrait(portraitnet(arguments, classes=EASYPORTRAIT), adam)],
    }


def ours(command, recipe, initial, data, fused):
    """By stage, the terms of each step as `portraitseg train` logs them."""
    output = os.path.join(data.folder, f"run_{fused}")
    still = ("augment={affine: {enabled: false}, flip: 0, color: {probability: %g, color: [1, 1], brightness: [%g, %g], "
             "contrast: [1, 1], sharpness: [1, 1]}, blur: {probability: 0}, noise: {probability: 0}}")
    settings = ["data={name: folders, root: %s, classes: %d, train_list: all.txt, val_list: all.txt, workers: 0}"
                % (data.folder, data.classes),
                f"preprocessing={{size: [{data.size}, {data.size}], mean: [0, 0, 0], std: [1, 1, 1], scale: {1 / 256}}}",
                still % (0, 1, 1), f"trainer.epochs={STEPS}", f"trainer.batch_size={IMAGES}",
                "device={name: cpu, precision: float64, fused: %s}" % str(fused).lower()]
    if recipe == "portraitnet_video":  # a channel for a prior that never comes
        settings += ["augment.prior.probability=1e-300", "preprocessing.prior_channel=true"]
    staged = len(initial) > 1
    for i, weights in enumerate(initial):
        stage = f"stages.{i}." if staged else ""
        settings.append(f"{stage}model.init_from={weights}")
        if staged and i > 0:
            settings.append(f"{stage}init_from=")
            if "portraitnet" in recipe:
                settings.append(stage + still % (1, BRIGHTER, BRIGHTER))
    line = [command, "train", "--config", os.path.join(ROOT, "configs", recipe + ".yaml"), "--output", output]
    for setting in settings:
        line += ["--set", setting]
    subprocess.run(line, check=True, stderr=subprocess.PIPE if not os.environ.get("VERBOSE") else None)
    folders = [output]
    if staged:
        stages = sorted((entry for entry in os.scandir(output) if entry.is_dir()),
                        key=lambda entry: os.stat(os.path.join(entry.path, "config.yaml")).st_mtime_ns)
        folders = [entry.path for entry in stages]
    result = []
    for stage in folders:
        with open(os.path.join(stage, "log.jsonl")) as file:
            result.append([json.loads(text)["loss_terms"] for text in file])
    return result


def compare(recipe, stages, folder, command):
    name = recipe.split("_")[1]
    classes = {"cityscapes": CITYSCAPES, "easyportrait": EASYPORTRAIT}.get(name, 0)
    data = Data(os.path.join(folder, recipe), 128 if name == "cityscapes" else 64, classes)
    initial = []
    for i, (model, _) in enumerate(stages):
        initial.append(os.path.join(data.folder, f"{i}.pth"))
        torch.save(model.state_dict(), initial[-1])
    measured = {fused: ours(command, recipe, initial, data, fused) for fused in (True, False)}
    worst = 0
    for i, (_, train) in enumerate(stages):
        with contextlib.redirect_stdout(sys.stderr):
            theirs = list(train(data))
        for fused, runs in measured.items():
            assert all(expected.keys() == found.keys() for expected, found in zip(theirs, runs[i], strict=True))
            differences = [abs(expected[name] - found[name])
                           for expected, found in zip(theirs, runs[i]) for name in expected]
            assert all(math.isfinite(difference) for difference in differences)  # max() may drop a NaN
            difference = max(differences)
            first, last = sum(theirs[0].values()), sum(theirs[-1].values())
            print(f"{recipe:32} stage {i + 1} of {len(stages)}  {'fused' if fused else 'plain'}  loss {first:.6f} -> "
                  f"{last:.6f}  largest difference {difference:.1e}", flush=True)
            worst = max(worst, difference)
    return worst


def main():
    parser = references.argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clova", required=True)
    parser.add_argument("--portraitnet", required=True)
    parser.add_argument("--c3_sinet", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--recipes", nargs="+", help="default: all")
    arguments = parser.parse_args()
    references.give_back_what_is_gone()
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # etc/lovasz_losses.py says float() where it means a number
    torch.manual_seed(1)
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(sys.stderr):
            known = recipes(arguments)
        for recipe in arguments.recipes or known:
            worst = max(worst, compare(recipe, known[recipe], folder, os.path.abspath(arguments.command)))
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())

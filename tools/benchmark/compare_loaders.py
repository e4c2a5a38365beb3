"""The references' training loaders beside `portraitseg benchmark --loader`, on the same images, in turns, one thread each.

    compare_loaders.py --clova DIR --portraitnet DIR --data EG1800 --command build/release/portraitseg

DIR are check-outs of clovaai/ext_portrait_segmentation and dong-x16/PortraitNet; EG1800 is the folder with Images/,
Labels/ and eg1800_train.txt, of which the first --images are read. Their code runs as it is; clova's, which takes the mask
from 201 up, gets copies of the labels with 255 in place of 1; what Python 3, NumPy 1.24 and OpenCV 4 took away is given back from
outside. Needs PyTorch, OpenCV and Pillow. Prints medians over the rounds, and how many times faster.
"""

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

import references

import cv2
import numpy as np
import torch

REFERENCES = ("clova", "portraitnet")
LIST = "eg1800_train.txt"
SIZE = references.SIZE
BATCH = 24


def clova(folder, data, names, label_folder):
    sys.path.insert(0, folder)
    transforms = importlib.import_module("data.CVTransforms")
    dataset = importlib.import_module("data.DataSet")
    steps = transforms.Compose([
        transforms.Translation(SIZE, SIZE), transforms.data_aug_color(), transforms.data_aug_blur(),
        transforms.data_aug_noise(),
        transforms.Normalize(mean=[106.67, 114.81, 130.36], std=[62.05, 64.14, 68.29]),
        transforms.Scale(SIZE, SIZE), transforms.ToTensor(1)])
    images = [os.path.join(data, "Images", name) for name in names]
    labels = [os.path.join(label_folder, os.path.splitext(name)[0] + ".png") for name in names]
    return dataset.CVDataset(images, labels, transform=steps, edge=True, Enc=False)


def portraitnet(folder, data, list_file):
    sys.path.insert(0, os.path.join(folder, "data"))
    module = importlib.import_module("datasets_portraitseg")
    options = types.SimpleNamespace(
        istrain=True, stability=True, addEdge=True, video=False, prior_prob=0.5, task="seg", dataset="eg1800",
        input_height=SIZE, input_width=SIZE, padding_color=128, img_scale=1,
        img_mean=[103.94, 116.78, 123.68], img_val=[0.017, 0.017, 0.017])
    return module.PortraitSeg(os.path.join(data, "Images/"), os.path.join(data, "Labels/"), list_file, list_file,
                              options)


def milliseconds(dataset):
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=0)
    start = time.perf_counter()
    for _ in loader:
        pass
    return 1000 * (time.perf_counter() - start) / len(dataset)


def ours(arguments, list_file):
    command = [arguments.command, "benchmark", "--loader", "--config", arguments.config, "--set",
               "data.root=" + arguments.data, "--set", "data.train_list=" + list_file, "--images", str(arguments.images),
               "--rounds", "1", "--steps", "0", "--json", "-"]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {name: result[name]["ms_per_image"] for name in ("from_files", "cached")}


def run(arguments, folder):
    names = references.read_list(arguments.data, LIST)[:arguments.images]
    list_file = os.path.join(folder, LIST)
    with open(list_file, "w") as lines:
        lines.write("".join(name + "\n" for name in names))
    references.write_labels_of_255(arguments.data, names, folder)
    with contextlib.redirect_stdout(sys.stderr):
        sets = {"clova": clova(arguments.clova, arguments.data, names, folder),
                "portraitnet": portraitnet(arguments.portraitnet, arguments.data, list_file)}
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append({**{name: milliseconds(dataset) for name, dataset in sets.items()},
                       **ours(arguments, list_file)})
        print("  ".join(f"{name} {ms:.2f} ms" for name, ms in rounds[-1].items()), file=sys.stderr)
    return rounds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clova", required=True)
    parser.add_argument("--portraitnet", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--config", default=os.path.join(references.ROOT, "configs", "sinet_eg1800.yaml"))
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    references.give_back_what_is_gone()
    with tempfile.TemporaryDirectory() as folder:
        rounds = run(arguments, folder)
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    for name, ms in median.items():
        against = "  ".join(f"{median[other] / ms:.2f} times {other}" for other in REFERENCES if name not in REFERENCES)
        print(f"{name:12} {ms:6.2f} ms an image  {1000 / ms:7.1f} images a second  {against}")


main()

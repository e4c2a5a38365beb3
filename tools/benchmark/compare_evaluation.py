"""SINet and ExtremeC3Net evaluated on EG1800's test list: clova's loader, networks and IoU beside `portraitseg evaluate`.

    compare_evaluation.py --clova DIR --data EG1800 --command build/release/portraitseg

DIR is a check-out of clovaai/ext_portrait_segmentation with its released weights. Its loader (with the workers of its settings),
its networks and its iou_binary() run as they are, on two threads, without the losses and the edge figure that its validation
computes beside; only the loop counts, not the start of Python. Of ours the whole command counts, both networks in one call: by the
protocol `clova`, which does the same, and at the images' own size with every metric. What its loader needs is prepared before.
Memory is the main process's peak. Needs PyTorch and OpenCV.
"""

import importlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time

import references

THREADS, BATCH = 2, 24
LIST = "eg1800_test.txt"
MEAN, STD = [107.304565, 115.69884, 132.35703], [63.97182, 65.1337, 68.29726]  # of clova's demo
RESULTS = {"sinet": "SINet", "extremec3net": "ExtremeC3"}  # folders of clova's weights


def weights_of(arguments, name):
    folder = RESULTS[name]
    return os.path.join(os.path.abspath(arguments.clova), "result", folder, folder + ".pth")


def prepare(arguments, folder):
    names = references.read_list(arguments.data, LIST)
    lists = {"train": names[:1], "val": names}  # the first is not read
    references.write_clova_data(arguments.data, lists, {"mean": MEAN, "std": STD}, folder)


def measure(arguments, folder):
    """clova's evaluation of both networks, in a process of its own."""
    import torch
    references.give_back_what_is_gone()
    torch.set_num_threads(THREADS)
    printed, sys.stdout = sys.stdout, sys.stderr
    models = {}
    for name in RESULTS:
        models[name] = references.network(name, arguments).eval()
        models[name].load_state_dict(torch.load(weights_of(arguments, name), map_location="cpu"))
    references.divide_integers_to_integers(torch)
    _, loader, _ = references.clova_loaders(references.clova_settings(arguments.clova), folder, BATCH)
    iou_binary = importlib.import_module("etc.lovasz_losses").iou_binary
    iou, start = {}, time.perf_counter()
    for name, model in models.items():
        batches = []
        with torch.no_grad():
            for images, labels, _ in loader:
                output = model(images)
                batches.append(iou_binary((output > 0).long() if output.size(1) == 1 else output.max(1)[1], labels))
        iou[name] = sum(batches) / len(batches)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": seconds, "mib": memory, "iou": iou}), file=printed)


def ours(arguments, options):
    with tempfile.TemporaryDirectory() as output:
        line = [arguments.command, "evaluate", "--output", os.path.join(output, "evaluation"), "--root", arguments.data,
                "--list", LIST, "--threads", str(THREADS), *options]
        for name in RESULTS:
            line += ["--weights", weights_of(arguments, name), "--config",
                     os.path.join(references.ROOT, "configs", name + "_eg1800.yaml")]
        return references.run_timed(line)


def main():
    arguments = references.loop_parser().parse_args()
    if arguments.measure:
        measure(arguments, arguments.measure)
        return
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(arguments, folder)
        for _ in range(arguments.rounds):
            rounds.append({"clova, IoU": references.run_again(__file__, arguments, folder),
                           "portraitseg, protocol clova": ours(arguments, ["--protocol", "clova"]),
                           "portraitseg, native, IoU": ours(arguments, ["--protocol", "native", "--metrics", "iou"]),
                           "portraitseg, native, all": ours(arguments, ["--protocol", "native", "--metrics", "all"])})
            print(rounds[-1], file=sys.stderr)
    reference = statistics.median(one["clova, IoU"]["s"] for one in rounds)
    for who in rounds[0]:
        seconds = statistics.median(one[who]["s"] for one in rounds)
        memory = max(one[who]["mib"] for one in rounds)
        print(f"{who:28} {seconds:7.1f} s  {memory:6.0f} MiB  {reference / seconds:5.2f} times as fast as clova's")


main()

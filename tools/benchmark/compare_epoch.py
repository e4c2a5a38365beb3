"""An epoch of SINet on EG1800 in clova's code beside `portraitseg train`: loader, augmentation, steps, validation, checkpoint.

    compare_epoch.py --clova DIR --data EG1800 --command build/release/portraitseg

DIR is a check-out of clovaai/ext_portrait_segmentation: its loader with the workers of setting/SINet.json, train_edge() and
val_edge() run as they are, on two threads; only the time of the epoch counts, of ours that of the whole command. What its
loaders need is prepared before, see compare_loaders.py. Its validation runs only with a GPU: here tensors that are sent to one
stay where they are. Memory is the main process's peak, without the loader's processes, of which ours has none. Needs PyTorch
and OpenCV.
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

THREADS = 2
TRAIN_LIST, VAL_LIST = "eg1800_train_minus_val.txt", "eg1800_val.txt"
MEAN, STD = [106.670021, 114.814117, 130.361083], [62.045364, 64.139969, 68.291412]


def prepare(arguments, folder):
    """Lists of as many images as asked for, and what clova's loader takes."""
    lists = {}
    for part, name in (("train", TRAIN_LIST), ("val", VAL_LIST)):
        images = arguments.images if part == "train" or arguments.images is None else max(1, arguments.images // 8)
        lists[part] = references.read_list(arguments.data, name)[:images]
        with open(os.path.join(folder, name), "w") as lines:
            lines.write("".join(line + "\n" for line in lists[part]))
    references.write_clova_data(arguments.data, lists, {"mean": MEAN, "std": STD, "classWeights": references.CLASS_WEIGHTS}, folder)


def measure(arguments, folder):
    """clova's epoch, in a process of its own."""
    import torch
    references.give_back_what_is_gone()
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    printed, sys.stdout = sys.stdout, sys.stderr
    model = references.network("sinet", arguments)
    settings = references.clova_settings(arguments.clova)
    references.divide_integers_to_integers(torch)
    torch.Tensor.cuda = lambda self, *unused: self
    helpers = importlib.import_module("etc.help_function")
    train_loader, val_loader, data = references.clova_loaders(settings, folder, settings["train_config"]["dnc_batch"])
    criterion = importlib.import_module("etc.Criteria").CrossEntropyLoss2d(
        torch.from_numpy(data["classWeights"]), ignore=settings["data_config"]["ignore_idx"])
    optimizer = references.clova_optimizer(torch, model)
    start = time.perf_counter()
    helpers.train_edge(1, train_loader, model, criterion, optimizer, False, 0, 1)
    trained = time.perf_counter()
    helpers.val_edge(1, val_loader, model, criterion, False)
    helpers.save_checkpoint({"epoch": 1, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()},
                            os.path.join(folder, "checkpoint.pth.tar"))
    end = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": end - start, "training_s": trained - start, "mib": memory}), file=printed)


def ours(arguments, folder):
    with tempfile.TemporaryDirectory() as output:
        settings = ["trainer.epochs=1", f"device.threads={THREADS}", "device.name=cpu", "data.root=" + arguments.data,
                    "data.train_list=" + os.path.join(folder, TRAIN_LIST),
                    "data.val_list=" + os.path.join(folder, VAL_LIST), *arguments.set]
        line = [arguments.command, "train", "--config", arguments.config, "--output", os.path.join(output, "run")]
        for setting in settings:
            line += ["--set", setting]
        return references.run_timed(line)


def main():
    parser = references.loop_parser()
    parser.add_argument("--config", default=os.path.join(references.ROOT, "configs", "base", "sinet_eg1800.yaml"))
    parser.add_argument("--set", action="append", default=[], help="more settings for portraitseg train")
    parser.add_argument("--images", type=int, help="of the training list, an eighth of it to validate; default: all")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments, arguments.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(arguments, folder)
        rounds = []
        for _ in range(arguments.rounds):
            rounds.append({"clova": references.run_again(__file__, arguments, folder), "portraitseg": ours(arguments, folder)})
            print(rounds[-1], file=sys.stderr)
    seconds = {who: statistics.median(one[who]["s"] for one in rounds) for who in rounds[0]}
    memory = {who: max(one[who]["mib"] for one in rounds) for who in rounds[0]}
    for who in seconds:
        print(f"{who:12} {seconds[who]:8.1f} s an epoch  {memory[who]:7.0f} MiB")
    print(f"{seconds['clova'] / seconds['portraitseg']:.2f} times as fast, "
          f"{memory['portraitseg'] / memory['clova']:.2f} times the memory")


main()

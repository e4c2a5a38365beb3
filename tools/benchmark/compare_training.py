"""The references' own training steps beside `portraitseg benchmark --train`, in turns, on the same PyTorch.

    compare_training.py --clova DIR --portraitnet DIR --command build/release/portraitseg

A step is forward pass, losses, backward pass and update as their training scripts have them, on a fixed random batch: SINet
with weighted cross-entropy and ExtremeC3Net with Lovasz hinge, both once more inside the edge band (clova's main.py), PortraitNet
with two views and both auxiliary losses (myTrain/train.py). Each measurement has a process of its own, whose peak memory is
reported. Needs PyTorch. Prints medians over the rounds, and how many times faster.
"""

import argparse
import importlib
import json
import os
import resource
import statistics
import sys
import time

import references

BATCHES = {"sinet": 24, "extremec3net": 16, "portraitnet": 16}
SECONDS = 3.0  # of a round, at least
IGNORED = 255


def our_options(name):
    if name == "portraitnet":
        return ["--model", name]
    return ["--config", os.path.join(references.ROOT, "configs", name + "_eg1800.yaml")]


def portraits(torch, batch):
    """Labels [batch, H, W]: an ellipse somewhere; and what is left of them near its border."""
    size = references.SIZE
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    label, band = [], []
    for _ in range(batch):
        y, x, height, width = (torch.rand(4) * torch.tensor([60, 60, 40, 40]) + torch.tensor([80, 80, 50, 40])).tolist()
        distance = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2
        label.append((distance < 1).long())
        band.append(torch.where((distance - 1).abs() < 0.3, label[-1], torch.tensor(IGNORED)))
    return torch.stack(label), torch.stack(band)


def clova_step(torch, name, arguments):
    model = references.network(name, arguments).train()
    optimizer = references.clova_optimizer(torch, model)
    if name == "sinet":
        loss = importlib.import_module("etc.Criteria").CrossEntropyLoss2d(
            torch.tensor(references.CLASS_WEIGHTS), ignore=IGNORED)
    else:
        loss = importlib.import_module("etc.lovasz_losses").lovasz_hinge(ignore=IGNORED)
    image = torch.randn(BATCHES[name], 3, references.SIZE, references.SIZE)
    label, band = portraits(torch, BATCHES[name])

    def step():
        output = model(image)
        optimizer.zero_grad()
        whole = loss(output, label)
        edge = 0.5 * loss(output, band)
        optimizer.zero_grad()
        (whole + edge).backward()
        optimizer.step()
        return whole.item() + edge.item()

    return step


def portraitnet_step(torch, name, arguments):
    model = references.network(name, arguments).train()
    sys.path.insert(0, os.path.join(arguments.portraitnet, "util"))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=5e-4)
    cross_entropy = torch.nn.CrossEntropyLoss(ignore_index=IGNORED)
    focal = importlib.import_module("focal_loss").FocalLoss(gamma=2)
    divergence = torch.nn.KLDivLoss()
    functional = torch.nn.functional
    plain = torch.randn(BATCHES[name], 3, references.SIZE, references.SIZE)
    textured = plain + 0.1 * torch.randn_like(plain)
    label, band = portraits(torch, BATCHES[name])
    outline = (band != IGNORED).long()

    def consistency(student, teacher):
        return 2 * divergence(functional.log_softmax(student, 1), functional.softmax(teacher.detach(), 1))

    def step():
        mask, edge = model(textured)
        mask_loss = cross_entropy(mask, label)
        edge_loss = 0.1 * focal(edge, outline)
        plain_mask, plain_edge = model(plain)
        plain_loss = cross_entropy(plain_mask, label)
        0.1 * focal(plain_edge, outline)  # computed and logged there, not part of the sum
        stability = consistency(mask, plain_mask)
        0.1 * consistency(edge, plain_edge)  # likewise
        loss = mask_loss + plain_loss + stability + edge_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure(name, arguments):
    """In a process of its own: prints milliseconds an image and the peak memory."""
    import torch
    references.give_back_what_is_gone()
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    make = portraitnet_step if name == "portraitnet" else clova_step
    step = make(torch, name, arguments)
    step()
    start, times = time.perf_counter(), []
    while len(times) < 2 or time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    print(json.dumps({"ms_per_image": 1000 * statistics.median(times) / BATCHES[name],
                      "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def theirs(name, threads, arguments):
    line = [sys.executable, os.path.abspath(__file__), "--clova", arguments.clova, "--portraitnet", arguments.portraitnet,
            "--command", arguments.command, "--measure", name, "--threads", str(threads)]
    return references.run_json(line)


def compare(name, threads, arguments):
    rounds, memory = [], {"reference": 0.0, "portraitseg": 0.0}
    options = our_options(name) + ["--train", "--batch", str(BATCHES[name]), "--threads", str(threads)]
    for _ in range(arguments.rounds):
        found = {"reference": theirs(name, threads, arguments),
                 "portraitseg": references.ours(arguments.command, options)}
        rounds.append({who: one["ms_per_image"] for who, one in found.items()})
        memory = {who: max(memory[who], one["peak_memory_mib"]) for who, one in found.items()}
    references.print_medians(f"{name}, {BATCHES[name]} on {threads} threads", rounds, "reference", memory)


def main():
    parser = references.parser()
    parser.add_argument("--measure", choices=references.NETWORKS, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    if arguments.measure:
        arguments.threads = arguments.threads[0]
        measure(arguments.measure, arguments)
        return
    for name in arguments.networks:
        for threads in arguments.threads:
            compare(name, threads, arguments)


main()

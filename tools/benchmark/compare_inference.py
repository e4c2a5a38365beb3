"""The reference networks in ONNX Runtime beside `portraitseg benchmark --model`, in turns: one image on one thread, and a
batch of 32 on two.

    npm install --ignore-scripts --prefix ORT onnxruntime-node
    compare_inference.py --clova DIR --portraitnet DIR --onnxruntime ORT --command build/release/portraitseg

The references are exported as they are, in evaluation mode: PyTorch's exporter folds each BatchNorm that follows a convolution,
ONNX Runtime optimises the rest of the graph (level "all"). PortraitNet is also measured without its boundary head, which an
inference does not need; the ratio is against the faster of the two. Needs PyTorch and Node.js. Prints medians over the
rounds, and how many times faster.
"""

import json
import os
import statistics
import subprocess
import tempfile

import references

import numpy as np
import torch

CASES = ((1, 1), (32, 2))  # images, threads
SECONDS = 1.0  # of a round
OPSET = 13


class MaskAlone(torch.nn.Module):
    """PortraitNet without its boundary head."""

    def __init__(self, network):
        super().__init__()
        network.addEdge = False
        self.network = network

    def forward(self, image):
        return self.network(image)


def variants(name, arguments):
    """What is exported of a network, by title."""
    torch.manual_seed(1)
    network = references.network(name, arguments)
    with torch.no_grad():  # running statistics that make something of an image
        for _ in range(3):
            network.train()(torch.randn(4, 3, references.SIZE, references.SIZE))
    network.eval()
    result = {"onnxruntime": network}
    if name == "portraitnet":
        alone = references.network(name, arguments)
        alone.load_state_dict(network.state_dict())
        result["onnxruntime, mask alone"] = MaskAlone(alone).eval()
    return result


def export(network, batch, folder, title):
    """Writes model, input and what PyTorch answers. @return the job for onnx_runtime.mjs, the answer"""
    image = torch.randn(batch, 3, references.SIZE, references.SIZE)
    stem = os.path.join(folder, f"{title}_{batch}".replace(" ", "_").replace(",", ""))
    torch.onnx.export(network, image, stem + ".onnx", opset_version=OPSET, do_constant_folding=True,
                      training=torch.onnx.TrainingMode.EVAL, input_names=["image"])
    image.numpy().tofile(stem + ".input")
    with torch.no_grad():
        answer = network(image)
    mask = answer[0] if isinstance(answer, tuple) else answer
    job = {"model": stem + ".onnx", "input": stem + ".input", "shape": list(image.shape), "output": stem + ".output",
           "seconds": SECONDS}
    return job, mask.numpy()


def run_onnx(job, answer, threads, arguments):
    """Milliseconds an image; the answer must be PyTorch's."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx_runtime.mjs")
    job = {**job, "threads": threads, "package": os.path.abspath(arguments.onnxruntime)}
    printed = subprocess.run(["node", script, json.dumps(job)], check=True, stdout=subprocess.PIPE).stdout
    found = np.fromfile(job["output"], np.float32).reshape(answer.shape)
    difference = np.abs(found - answer).max()
    if not difference <= 1e-4 * max(1.0, np.abs(answer).max()):
        raise SystemExit(f"{job['model']}: differs from PyTorch by {difference}")
    return json.loads(printed)["ms"] / answer.shape[0]


def compare(name, batch, threads, networks, arguments, folder):
    jobs = {title: export(network, batch, folder, f"{name}_{title}") for title, network in networks.items()}
    options = ["--model", name, "--batch", str(batch), "--threads", str(threads)]
    if name == "extremec3net":
        options += ["--set", "model.num_classes=1"]  # as the reference with its Lovasz loss
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append({title: run_onnx(job, answer, threads, arguments) for title, (job, answer) in jobs.items()})
        rounds[-1]["portraitseg"] = references.ours(arguments.command, options)["ms_per_image"]
    fastest = min(jobs, key=lambda title: statistics.median(one[title] for one in rounds))
    references.print_medians(f"{name}, {batch} on {threads} threads", rounds, fastest)


def main():
    parser = references.parser()
    parser.add_argument("--onnxruntime", required=True, help="folder with node_modules/onnxruntime-node")
    arguments = parser.parse_args()
    references.give_back_what_is_gone()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            networks = variants(name, arguments)
            for batch, threads in CASES:
                compare(name, batch, threads, networks, arguments, folder)


main()

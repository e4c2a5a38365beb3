// How long a network takes in ONNX Runtime: node onnx_runtime.mjs '{"package", "model", "threads", "seconds", "input",
// "shape", "output"}'. `input` is a file of float32; the first output goes to the file `output`. Prints
// {"ms": median of a pass, "least": the fastest pass}.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const job = JSON.parse(process.argv[2]);
const main = path.join(job.package, "node_modules/onnxruntime-node/dist/index.js");
const { default: ort } = await import(pathToFileURL(main).href);

const session = await ort.InferenceSession.create(job.model, {
  executionProviders: ["cpu"],
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  intraOpNumThreads: job.threads,
  interOpNumThreads: 1,
  extra: { session: { set_denormal_as_zero: "1" } },
});
const bytes = fs.readFileSync(job.input);
const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", data, job.shape) };

let results;
for (let i = 0; i < 3; ++i) results = await session.run(feeds);
const first = results[session.outputNames[0]].data;
fs.writeFileSync(job.output, Buffer.from(first.buffer, first.byteOffset, first.byteLength));

const times = [];
const start = performance.now();
while (times.length < 5 || performance.now() - start < 1000 * job.seconds) {
  const before = performance.now();
  await session.run(feeds);
  times.push(performance.now() - before);
}
times.sort((a, b) => a - b);
console.log(JSON.stringify({ ms: times[times.length >> 1], least: times[0] }));

#include "portraitseg/report/review_page.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>@TITLE@</title>
<style>
  body { margin: 0; height: 100vh; display: flex; flex-direction: column; font: 15px sans-serif; background: #222; color: #eee; }
  header, footer { padding: 8px 12px; display: flex; gap: 16px; align-items: center; }
  progress { flex: 1; }
  main { flex: 1; min-height: 0; display: flex; gap: 8px; justify-content: center; }
  img { max-width: 50%; max-height: 100%; object-fit: contain; }
  button { font: inherit; padding: 4px 12px; }
  #done { align-self: center; font-size: 24px; }
</style>
</head>
<body>
<header><b>@TITLE@</b><progress id="progress"></progress><span id="count"></span>
  <button id="save">Save accepted.txt</button></header>
<main><img id="image" alt=""><img id="overlay" alt=""><p id="done" hidden>All decided. Save accepted.txt.</p></main>
<footer><button id="accept">Accept (a, &rarr;)</button><button id="reject">Reject (r, &larr;)</button>
  <button id="undo">Undo (u, Backspace)</button><span id="name"></span></footer>
<script>
"use strict";
)";

/// One letter a decision, in the order of the entries: what is shown is the first entry without one.
constexpr const char* kScript = R"(
const element = id => document.getElementById(id);
const order = entries.map((entry, i) => i).sort((a, b) => entries[a].confidence - entries[b].confidence || a - b);
const url = path => path.split("/").map(encodeURIComponent).join("/");
const read = () => { try { return localStorage.getItem(key) || ""; } catch (error) { return ""; } };
const store = () => { try { localStorage.setItem(key, decisions); } catch (error) { /* not kept, still to be saved */ } };
let decisions = read().replace(/[^ar]/g, "").slice(0, entries.length);

function show() {
  const at = decisions.length, entry = entries[order[at]];
  const accepted = decisions.split("a").length - 1;
  element("progress").max = entries.length;
  element("progress").value = at;
  element("count").textContent = `${at} of ${entries.length} decided, ${accepted} accepted`;
  element("done").hidden = entry !== undefined;
  for (const id of ["image", "overlay", "accept", "reject"]) element(id).hidden = entry === undefined;
  element("name").textContent = "";
  if (entry === undefined) return;
  element("image").src = url("Images/" + entry.file);
  element("overlay").src = url(entry.overlay);
  element("name").textContent = `${entry.file}: confidence ${entry.confidence.toFixed(3)}, agreement ` +
      `${entry.agreement.toFixed(3)}, boundary F1 ${entry.boundary_f1.toFixed(3)}, portrait ${entry.share.toFixed(2)}`;
  for (const next of order.slice(at + 1, at + 4)) {  // fetched ahead
    new Image().src = url("Images/" + entries[next].file);
    new Image().src = url(entries[next].overlay);
  }
}

function decide(letter) {
  if (decisions.length === entries.length) return;
  decisions += letter;
  store();
  show();
}

function undo() {
  decisions = decisions.slice(0, -1);
  store();
  show();
}

function accepted_list() {
  const taken = new Set(order.filter((entry, place) => decisions[place] === "a"));
  return entries.filter((entry, i) => taken.has(i)).map(entry => entry.file + "\n").join("");
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([accepted_list()], {type: "text/plain"}));
  link.download = "accepted.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const actions = {
  a: () => decide("a"), ArrowRight: () => decide("a"),
  r: () => decide("r"), ArrowLeft: () => decide("r"),
  u: undo, Backspace: undo,
};
document.addEventListener("keydown", event => {
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (!event.repeat) action();  // a key held down decides once
});
element("accept").onclick = actions.a;
element("reject").onclick = actions.r;
element("undo").onclick = undo;
element("save").onclick = save;
show();
</script>
</body>
</html>
)";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

/// A value of JavaScript that no text in it can end: "</script>" neither.
std::string javascript(const Json& value) {
  return replaced(value.dump(-1, ' ', true, Json::error_handler_t::replace), "<", "\\u003c");
}

}  // namespace

std::string review_page(const std::string& title, const std::string& key,
                        const std::vector<ReviewEntry>& entries) {
  std::string lines;
  for (const auto& entry : entries) {
    lines += javascript({{"file", entry.file},
                         {"overlay", entry.overlay},
                         {"confidence", entry.quality.confidence},
                         {"agreement", entry.quality.agreement},
                         {"boundary_f1", entry.quality.boundary_f1},
                         {"share", entry.quality.share}}) +
             ",\n";
  }
  return replaced(kHead, "@TITLE@", html_text(title)) +
         "const key = " + javascript("portraitseg review " + key) + ";\nconst entries = [\n" + lines +
         "];\n" + kScript;
}

cv::Mat review_overlay(const cv::Mat& image, const cv::Mat& mask, int longest) {
  const double scale = std::min(1.0, static_cast<double>(longest) / std::max(image.rows, image.cols));
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.cols * scale))),
                      std::max(1, static_cast<int>(std::lround(image.rows * scale))));
  cv::Mat picture, portrait;
  cv::resize(image, picture, size, 0, 0, cv::INTER_AREA);
  cv::resize((mask != 0) & (mask != kIgnore), portrait, size, 0, 0, cv::INTER_NEAREST);
  const cv::Scalar tint(90, 200, 60);
  cv::Mat tinted;
  cv::addWeighted(picture, 0.7, cv::Mat(size, CV_8UC3, tint), 0.3, 0, tinted);
  tinted.copyTo(picture, portrait);
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(portrait, outlines, cv::RETR_LIST, cv::CHAIN_APPROX_NONE);
  cv::drawContours(picture, outlines, -1, tint, 2);
  return picture;
}

std::string rejected_csv(const std::vector<LabelledPhoto>& photos) {
  std::string text = "id,confidence,agreement,boundary_f1,share,largest_component,reason\n";
  for (const auto& [index, id, quality, reason] : photos) {
    if (reason.empty()) continue;
    text +=
        fmt::format("{},{:.4f},{:.4f},{:.4f},{:.4f},{:.4f},{}\n", csv_cell(id), quality.confidence,
                    quality.agreement, quality.boundary_f1, quality.share, quality.largest_component, reason);
  }
  return text;
}

}  // namespace portraitseg

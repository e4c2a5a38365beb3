#pragma once

#include <cstddef>
#include <string>

namespace portraitseg {

/// How a page begins, up to its title: what all reports look like, light or dark as the reader's system.
constexpr const char* kPageHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; --back: #fff; --text: #1c1e21; --quiet: #5c626b; --grid: #d9dce1; --mark: #8a5a00;
    --curve-0: #0067a8; --curve-1: #c44e00; --curve-2: #00795a; --curve-3: #a63a80; --curve-4: #6b55b8;
    --curve-5: #806600; --curve-6: #a8232f; --curve-7: #4a5560; }
  @media (prefers-color-scheme: dark) { :root { --back: #17191c; --text: #e8eaed; --quiet: #a2a8b1; --grid: #373b41;
    --mark: #f0b849; --curve-0: #56b4e9; --curve-1: #f28e4b; --curve-2: #2fc79a; --curve-3: #e39cc6; --curve-4: #aa9cf0;
    --curve-5: #d9bf3a; --curve-6: #f2777f; --curve-7: #b5bec8; } }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 1020px; padding: 16px; font: 15px/1.45 system-ui, sans-serif;
    background: var(--back); color: var(--text); }
  h1 { font-size: 22px; margin: 0 0 4px; overflow-wrap: anywhere; }
  h2 { font-size: 17px; margin: 28px 0 8px; }
  p { margin: 4px 0; }
  .quiet { color: var(--quiet); }
  .quiet span { white-space: nowrap; }
  .grid2 { display: grid; gap: 20px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
  figure { margin: 0; min-width: 0; }
  figcaption { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; overflow-wrap: anywhere; }
  figcaption b { width: 100%; font-size: 15px; }
  i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; border-radius: 2px; vertical-align: -1px; }
  svg { display: block; width: 100%; height: auto; }
  svg text { font-size: 12px; fill: var(--quiet); }
  svg text.mark { fill: var(--mark); }
  line.grid { stroke: var(--grid); }
  path.axis { stroke: var(--quiet); fill: none; }
  line.mark { stroke: var(--mark); stroke-dasharray: 4 3; }
  path.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
  rect.tip { fill: transparent; }
  rect.tip:hover { fill: var(--quiet); fill-opacity: .15; }
  img { display: block; width: 100%; max-width: 576px; height: auto; }
  table { border-collapse: collapse; font-size: 13px; }
  th, td { padding: 3px 14px 3px 0; text-align: left; vertical-align: bottom; border-bottom: 1px solid var(--grid); }
  td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .scroll { overflow-x: auto; }
  summary { cursor: pointer; font-size: 17px; font-weight: bold; }
  details { margin-top: 28px; }
  pre { overflow-x: auto; font-size: 13px; }
</style>
)";

/// Whether a file's text begins as a page does whose head holds `generator`.
inline bool is_page_of(const std::string& text, const char* generator) {
  const std::size_t end_of_head = text.find("</head>");
  return text.rfind(kPageHead, 0) == 0 && text.find(generator) < end_of_head;
}

}  // namespace portraitseg

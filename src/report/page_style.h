#pragma once

namespace portraitseg {

/// What the pages that compare results have beside kPageHead; for print, too.
constexpr const char* kPageStyle = R"(<style>
  h3 { font-size: 15px; margin: 20px 0 6px; }
  .headline { font-size: 18px; line-height: 1.4; margin: 10px 0; padding-left: 12px; border-left: 4px solid var(--curve-0); }
  th { font-weight: 600; }
  th.figure { white-space: normal; }
  td.card { overflow-wrap: anywhere; min-width: 14em; }
  td small { display: block; color: var(--quiet); }
  .best { font-weight: 700; }
  .best::after { content: " \2605"; color: var(--mark); }
  .wrap { overflow-wrap: anywhere; }
  table.values td, table.values tr + tr th { vertical-align: top; }
  svg text.over { paint-order: stroke; stroke: var(--back); stroke-width: 3px; stroke-linejoin: round; fill: var(--text); }
  .single { max-width: 640px; }
  td.path { white-space: nowrap; color: var(--quiet); }
  b.mark { color: var(--mark); }
  th.wrap { overflow-wrap: break-word; min-width: 6em; }
  svg.sample { display: inline-block; width: 28px; height: 8px; margin-right: 5px; }
  svg text.label, svg text.note { fill: var(--text); }
  circle.point { fill-opacity: .55; }
  .cases { display: grid; gap: 18px 24px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); }
  .case { min-width: 0; break-inside: avoid; }
  .case h4 { font-size: 13px; margin: 0 0 4px; overflow-wrap: anywhere; }
  .views { display: grid; gap: 4px; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); }
  .views figcaption, .maps figcaption { display: block; font-size: 12px; }
  .maps { display: grid; gap: 12px; max-width: 480px; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
  .bar { height: 12px; max-width: 300px; margin: 8px 0 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .ends { display: flex; justify-content: space-between; max-width: 300px; font-size: 12px; color: var(--quiet); }
  figure, tr { break-inside: avoid; }
  i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @media (max-width: 500px) { .headline { font-size: 16px; } th, td { padding-right: 8px; } }
  @media print { :root { color-scheme: light; --back: #fff; --text: #1c1e21; --quiet: #5c626b; --grid: #d9dce1; --mark: #8a5a00;
    --curve-0: #0067a8; --curve-1: #c44e00; --curve-2: #00795a; --curve-3: #a63a80; --curve-4: #6b55b8;
    --curve-5: #806600; --curve-6: #a8232f; --curve-7: #4a5560; } body { max-width: none; } h2, h3 { break-after: avoid; }
    .cases { grid-template-columns: 1fr 1fr; } }
</style>
)";

}  // namespace portraitseg

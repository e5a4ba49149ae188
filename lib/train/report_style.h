// The style sheet of report.html. Who uses it: report.cpp. Narrow screens: one column, wide tables scroll in their box.
#pragma once

#include <string_view>

namespace dl {

inline constexpr std::string_view kReportStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b2431;--soft:#5d6878;--line:#e2e6ec;--card:#f6f8fa;--train:#2563eb;--val:#cf5f06;--good:#18794a;--bad:#c42b2b;--on:#fff}
@media(prefers-color-scheme:dark){:root{--bg:#10141b;--fg:#e3e8ef;--soft:#98a4b5;--line:#2a323e;--card:#181e28;--train:#6aa5ff;--val:#ffab55;--good:#4cc38a;--bad:#ff7b72;--on:#0c1017}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:1.6rem clamp(.9rem,3vw,2.2rem) 3rem;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:1.65rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.4rem 0 .7rem;padding-bottom:.35rem;border-bottom:1px solid var(--line)}
h3{font-size:.95rem;margin:1.1rem 0 .5rem}
p{margin:.4rem 0}
header{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;margin-bottom:1.2rem}
.status{font-size:.85rem;padding:.15rem .7rem;border-radius:1rem;border:1px solid currentColor;color:var(--good);overflow-wrap:anywhere}
.status.failed{color:var(--bad)}
.note{color:var(--soft);font-size:.88rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.6rem,1fr));gap:.7rem;margin:0 0 1.2rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.65rem .85rem;min-width:0}
.card b{display:block;font-size:1.45rem;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
.card span{color:var(--soft);font-size:.82rem;overflow-wrap:anywhere}
.box{overflow-x:auto;border:1px solid var(--line);border-radius:.6rem;max-width:100%}
.box.tall{max-height:30rem;overflow-y:auto}
.fit{width:fit-content}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.34rem .75rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
thead th{background:var(--card);color:var(--soft);font-weight:600;position:sticky;top:0}
tbody th{font-weight:500}
tfoot>tr>*{border-top:1px solid var(--line);border-bottom:0;font-weight:650;background:var(--card);position:sticky;bottom:0}
.n{text-align:right}
.facts th{color:var(--soft);width:1%}
.facts td{white-space:pre-wrap;overflow-wrap:anywhere;min-width:12rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:.9rem}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .7rem .3rem;min-width:0}
.chart figcaption{display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:baseline;font-size:.86rem;padding:0 .2rem .3rem}
.chart figcaption>b{font-size:.95rem;margin-right:auto;overflow-wrap:anywhere}
.key{color:var(--soft);white-space:nowrap}
.key b{color:var(--fg)}
.key::before{content:"";display:inline-block;width:.95em;height:.22em;border-radius:.1em;margin-right:.4em;vertical-align:.25em;background:var(--train)}
.key.validation::before{background:var(--val)}
.key.bad::before{content:"×";background:none;color:var(--bad);width:auto;height:auto;vertical-align:0;font-weight:700}
svg{display:block;width:100%;height:auto}
svg text{font-size:12px;fill:var(--soft)}
.grid{stroke:var(--line);fill:none}
.axis{stroke:var(--soft);fill:none;stroke-opacity:.7}
.best{stroke:var(--good);stroke-dasharray:4 3;fill:none}
polyline{fill:none;stroke:var(--train);stroke-width:1.8;stroke-linejoin:round}
polyline.validation{stroke:var(--val)}
circle{fill:var(--train)}
circle.validation{fill:var(--val)}
circle.hidden{opacity:0}
path.bad{stroke:var(--bad);stroke-width:1.8;fill:none}
.known{fill:var(--val);fill-opacity:.18}
polyline.thin{stroke-width:1}
.pixels{display:block;width:100%;height:auto;max-width:56rem;image-rendering:pixelated;border:1px solid var(--line);border-radius:.4rem}
.heat{padding:.6rem;margin:.8rem 0;width:fit-content}
.heat .axis-name{font-weight:600}
.heat .frame{fill:none;stroke:var(--line)}
.hit{fill:var(--train)}
.miss{fill:var(--val)}
.heat text.on{fill:var(--on)}
.heat text.zero{fill-opacity:.45}
.split{display:flex;flex-wrap:wrap;gap:0 1.6rem;align-items:start}
.split>*{min-width:0;max-width:100%;flex:0 1 auto}
.split>:last-child{flex:1 1 21rem}
.split h3{margin-top:.6rem}
details{border:1px solid var(--line);border-radius:.6rem;margin:.8rem 0;padding:.1rem .85rem}
summary{cursor:pointer;padding:.45rem 0;font-weight:600}
details .box{margin-bottom:.8rem}
pre{overflow-x:auto;background:var(--card);border-radius:.4rem;padding:.8rem;margin:.2rem 0 .8rem;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media(max-width:32rem){.chart svg text{font-size:14px}}
@media print{.box.tall{max-height:none}.chart,section{break-inside:avoid}}
)css";

}  // namespace dl

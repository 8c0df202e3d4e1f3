// SPDX-License-Identifier: Apache-2.0
// The look of the page, light and dark. Classes c0, c1 are ours, c2 … c4 the machine, c5 … c12 the peers.
#pragma once

#include <string_view>

namespace harness::bench {

inline constexpr std::string_view page_style = R"(
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1d1f23;--dim:#6b7078;--line:#e5e5e1;
--grid:#ececea;
--met:#0a7d4b;--missed:#c2331f;--open:#8a6a00;--metbg:#e3f4eb;--missedbg:#fbe7e3;--openbg:#f7efd8;
--k0:#1f5fe0;--k1:#0e9488;--k2:#8b9098;--k3:#b1b5bb;--k4:#70757d;
--k5:#e0731d;--k6:#d1418f;--k7:#9b4fd6;--k8:#d23b3b;--k9:#5c9a1f;--k10:#8a5a3c;--k11:#c29a10;--k12:#4a8fb0}
@media(prefers-color-scheme:dark){:root{--bg:#14161a;--card:#1b1e23;--ink:#e8e9eb;--dim:#9aa0a9;
--line:#2d3138;--grid:#272b31;
--met:#5fd39b;--missed:#ff8f7d;--open:#e6c565;--metbg:#163527;--missedbg:#3f1f1a;--openbg:#372f16;
--k0:#6d9dff;--k1:#3fd0c2;--k2:#858b94;--k3:#5d636b;--k4:#a5abb3;
--k5:#ff9d4d;--k6:#ff7ab8;--k7:#c692ff;--k8:#ff7a7a;--k9:#9ccb62;--k10:#c8966f;--k11:#e2c14a;--k12:#79c3e8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main,footer{max-width:1360px;margin:0 auto;padding:0 28px}
header{padding-top:40px;display:flex;flex-wrap:wrap;gap:6px 34px;align-items:baseline}
h1{flex-basis:100%;margin:0 0 6px;font-size:34px;letter-spacing:-.02em}
h1 span{color:var(--dim);font-weight:400;margin-left:14px}
h2{margin:0 0 14px;font-size:21px;letter-spacing:-.01em}
dl{margin:0;display:flex;gap:8px}dt{color:var(--dim)}dd{margin:0}
section{margin:38px 0}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);
border-radius:10px;
font-size:14px;overflow:hidden;border-spacing:0}
th{text-align:left;font-weight:500;color:var(--dim);font-size:12.5px}
th,td{padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}
tbody tr:last-child td{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.note{color:var(--dim);font-size:12.5px}.dim{color:var(--dim)}
code{font:12.5px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
.sum{display:flex;gap:10px;margin:0 0 14px}.sum b,.chip{border-radius:999px;padding:2px 11px;
font-weight:600;font-size:13px}
.chip{font-size:12px}
b.met,.met .chip{color:var(--met);background:var(--metbg)}
b.missed,.missed .chip{color:var(--missed);background:var(--missedbg)}
b.open,.open .chip{color:var(--open);background:var(--openbg)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(560px,1fr));gap:22px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:18px 18px 14px;min-width:0;
overflow-x:auto}
figcaption{font-weight:600;margin-bottom:6px}
svg{display:block;width:100%;height:auto}
.grid{stroke:var(--grid)}.tick{fill:var(--dim);font-size:12px}.unit{fill:var(--ink);font-size:13px;
font-weight:600}
.line path{fill:none;stroke:var(--k);stroke-width:1.7;stroke-linejoin:round}.line circle{fill:var(--k)}
.line.ours path{stroke-width:3.2}.line.ours circle{r:4.6px}
.line.machine path{stroke-dasharray:5 5}.line.machine circle{r:2.6px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 4px 14px;font-size:13px}
.legend i,.key i{display:inline-block;width:18px;height:0;border-top:2px solid var(--k);margin-right:7px;
vertical-align:middle}
.ours i{border-top-width:4px}.machine i{border-top-style:dashed}
.legend .ours,tr.ours td{font-weight:600}tr.machine td,.legend .machine{color:var(--dim)}
.data{border-radius:8px;font-size:13px}.data td,.data th{padding:5px 9px}
.key{white-space:nowrap}
small{display:block;font-weight:500;font-size:11.5px}.ahead{color:var(--met)}.behind{color:var(--missed)}
details{margin:8px 0}summary{cursor:pointer;font-weight:600;padding:6px 0}
footer{color:var(--dim);font-size:13px;padding-bottom:50px}
.c0{--k:var(--k0)}.c1{--k:var(--k1)}.c2{--k:var(--k2)}.c3{--k:var(--k3)}.c4{--k:var(--k4)}
.c5{--k:var(--k5)}.c6{--k:var(--k6)}.c7{--k:var(--k7)}.c8{--k:var(--k8)}.c9{--k:var(--k9)}
.c10{--k:var(--k10)}
.c11{--k:var(--k11)}.c12{--k:var(--k12)}
@media(max-width:640px){.charts{grid-template-columns:1fr}}
)";

}  // namespace harness::bench

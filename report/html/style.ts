/** The page's style: light and dark as the reader's system, and for printing. */
export const style = `
:root { color-scheme: light dark; --text: #1c2430; --dim: #54606f; --line: #d9dee5; --page: #fff; --panel: #f6f8fa;
  --accent: #0b63b8; --second: #b3470a; --good: #1a6b35; --bad: #a8201a }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e8ee; --dim: #a3adba; --line: #39424e; --page: #12161c; --panel: #1b212a;
    --accent: #6db3f8; --second: #f2a365; --good: #6fd08c; --bad: #ff8f87 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 0 .3rem } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem } p { margin: .4rem 0 }
.dim { color: var(--dim) } .good { color: var(--good) } .bad { color: var(--bad) }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; margin: 1.2rem 0; padding: 0;
  list-style: none }
.cards li { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem }
.cards b { display: block; font-size: 1.6rem; line-height: 1.2 }
.progress progress { width: min(30rem, 70vw); accent-color: var(--accent); vertical-align: middle }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
.note { font-size: .9rem; margin: .6rem 0 .3rem }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
td.n, th.n { text-align: right } td.n, .whole { white-space: nowrap }
.kept { display: inline-block; height: .7rem; min-width: 2px; background: var(--accent); border-radius: 2px; vertical-align: middle }
.rail { display: inline-block; width: 6rem; background: var(--line); border-radius: 2px; line-height: 0; margin-right: .5rem }
figure { margin: 1rem 0 } figcaption { color: var(--dim); font-size: .9rem; margin-top: .2rem }
.key { color: var(--text); white-space: nowrap; margin-right: .9rem }
figure svg { max-width: 100%; height: auto; overflow: visible }
@media screen and (max-width: 40rem) { figure svg { max-width: none; min-width: 32rem } }
pre { background: var(--panel); border: 1px solid var(--line); padding: .8rem; border-radius: .5rem; overflow-x: auto;
  font-size: .85rem }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
mark { background: color-mix(in srgb, var(--second) 22%, transparent); color: inherit }
.texts { border: 1px solid var(--line); border-radius: .5rem; margin: .8rem 0; padding: .6rem .9rem; font-size: .9rem; overflow-wrap: anywhere }
.texts dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .8rem; margin: .5rem 0 0 }
.texts dt { color: var(--dim) } .texts dd { margin: 0; white-space: pre-wrap } .prompt { margin: 0; white-space: pre-wrap }
details { margin: .5rem 0 } summary { cursor: pointer }
@media print { body { max-width: none; padding: 0; font-size: 11px } h2 { break-after: avoid } figure, tr, .texts { break-inside: avoid }
  .scroll { overflow: visible } }
`

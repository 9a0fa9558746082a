// How a stage grows with its tasks: runs bench/many-tasks.mjs once for each number of tasks, prints a table, and draws the time to the
// end, and again with everything done, as docs/growth.svg. Numbers that FOLDER has from before are not measured again.
//   npm run build && node bench/scale.mjs FOLDER 1000 4000 16000 100000
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'

const [folder, ...counts] = process.argv.slice(2)
if (folder === undefined || counts.length < 2 || !counts.every((n) => Number(n) > 0)) {
  console.error('node bench/scale.mjs FOLDER TASKS TASKS …')
  process.exit(2)
}
mkdirSync(folder, { recursive: true })
const runs = counts.map((count) => {
  const file = join(folder, `${count}.json`)
  const program = fileURLToPath(new URL('many-tasks.mjs', import.meta.url))
  if (!existsSync(file)) execFileSync(process.execPath, [program, count, '8', '--json', file], { stdio: 'inherit' })
  return JSON.parse(readFileSync(file, 'utf8'))
})

const cells = ({ count, first, again, megabytes }) => {
  const each = (who) => ((1000 * first.used[who]) / count).toFixed(1)
  return [
    count,
    first.seconds.toFixed(0),
    again.seconds.toFixed(1),
    each('server'),
    each('worker'),
    each('children'),
    Math.max(first.search.events, first.longest?.events ?? 0),
    megabytes.server.toFixed(0),
    megabytes.worker.toFixed(0),
  ]
}
const row = (texts) => console.log(texts.map((text) => String(text).padStart(9)).join(''))
row(['tasks', 's', 's again', 'server', 'worker', 'children', 'events', 'server', 'worker'])
row(['', '', '', 'ms each', 'ms each', 'ms each', 'longest', 'MB', 'MB'])
for (const run of runs) row(cells(run))

const points = runs.flatMap(({ count, first, again }) => [
  { count, seconds: first.seconds, what: 'first' },
  { count, seconds: again.seconds, what: 'again, all of it reused' },
])
const [least] = runs
const proportional = runs.map(({ count }) => ({ count, seconds: (least.first.seconds * count) / least.count }))
const { document } = parseHTML('<!doctype html><html><body></body></html>')
const svg = Plot.plot({
  document,
  width: 720,
  height: 400,
  marginLeft: 60,
  marginBottom: 44,
  marginRight: 170,
  style: { background: 'white', color: 'black', fontSize: '13px' },
  x: { type: 'log', label: 'tasks of a stage', ticks: runs.map(({ count }) => count), tickFormat: ',' },
  y: { type: 'log', label: 'seconds', grid: true, tickFormat: ',' },
  marks: [
    Plot.line(proportional, { x: 'count', y: 'seconds', stroke: '#999', strokeDasharray: '4 4' }),
    Plot.line(points, { x: 'count', y: 'seconds', stroke: 'what', strokeWidth: 2 }),
    Plot.dot(points, { x: 'count', y: 'seconds', fill: 'what', r: 4 }),
    Plot.text(
      points,
      Plot.selectLast({ x: 'count', y: 'seconds', z: 'what', text: 'what', dx: 8, textAnchor: 'start' }),
    ),
    Plot.text(proportional.slice(-1), {
      x: 'count',
      y: 'seconds',
      text: ['in proportion'],
      dx: 8,
      dy: -14,
      textAnchor: 'start',
    }),
  ],
})
svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
svg.setAttribute('role', 'img')
svg.setAttribute('aria-label', 'Seconds to the end of a stage against the number of its tasks')
const target = fileURLToPath(new URL('../docs/growth.svg', import.meta.url))
writeFileSync(target, `${svg.outerHTML}\n`)
console.log(`The curve is in ${target}`)

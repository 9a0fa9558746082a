// Does the quickstart find an acceptable child every time? Runs the whole search so many times, each in a store and a state
// folder of its own, every second one beside a process that keeps a core busy half of the time. `silent`: the longest time
// without a line of output.
//   node bench/quickstart.mjs [RUNS] [--spec examples/quickstart/search.yaml]
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startNoise } from './noise.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { spec: { type: 'string', default: 'examples/quickstart/search.yaml' } },
})
const runs = Number(positionals[0] ?? 10)
const spec = resolve(options.spec)
const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

console.log(
  'run  noise  exit  verdict               throughput (interval)      accuracy  KL       tries  minutes  silent',
)
const ratios = []
let accepted = 0
for (let run = 1; run <= runs; run++) {
  const place = mkdtempSync(join(tmpdir(), 'puzzleflow-quickstart-'))
  cpSync(dirname(spec), join(place, 'search'), { recursive: true, filter: (path) => basename(path) !== 'runs' })
  const file = join(place, 'search', basename(spec))
  const env = { ...process.env, XDG_STATE_HOME: join(place, 'state') }
  const noise = run % 2 === 0 ? startNoise() : undefined
  const began = performance.now()
  const name = `quickstart-${run}`
  const args = [command, 'run', file, '--run', name, '--store', join(place, 'store')]
  let [said, silent] = [began, 0]
  const listen = () => {
    const now = performance.now()
    silent = Math.max(silent, now - said)
    said = now
  }
  const code = await new Promise((done) => {
    const child = spawn(process.execPath, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: join(place, 'search'),
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', listen)
    child.on('exit', done)
  })
  listen()
  const minutes = ((performance.now() - began) / 60_000).toFixed(1)
  noise?.kill()
  spawnSync(process.execPath, [command, 'server', 'stop', '--store', join(place, 'store')], { env })
  const path = join(dirname(file), 'runs', name, 'result.json')
  if (!existsSync(path)) {
    console.log(`${String(run).padEnd(4)} ${noise ? 'yes' : 'no '}    ${code}     no result, ${minutes} minutes`)
    continue
  }
  const { verdict, ratios: ratio, limits, child, attempts = [] } = JSON.parse(readFileSync(path, 'utf8'))
  const [low, high] = limits[0]?.interval ?? []
  if (code === 0) accepted++
  ratios.push(ratio.throughput)
  console.log(
    `${String(run).padEnd(4)} ${noise ? 'yes' : 'no '}    ${code}     ${verdict.padEnd(20)}  ${ratio.throughput.toFixed(3)}x (${low?.toFixed(3)} to ${high?.toFixed(3)})   ${(100 * ratio.accuracy).toFixed(2)} %   ${child.kl.toFixed(4)}   ${1 + attempts.length}      ${minutes.padEnd(7)}  ${(silent / 1000).toFixed(0)} s`,
  )
  // What was not accepted stays, to be looked at.
  if (code === 0) rmSync(place, { recursive: true, force: true })
  else console.log(`     kept: ${place}`)
}
console.log(
  `${accepted} of ${runs} accepted; throughput ${Math.min(...ratios).toFixed(3)}x to ${Math.max(...ratios).toFixed(3)}x`,
)

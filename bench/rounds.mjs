// Does a second round pay? The quickstart's search by the pipelines `puzzle` and `iterative`, under the same limit on memory, which
// is exact, and with the same number of tokens and evaluations: `iterative` has half of them in each of its rounds. What is
// called untrained was not trained as a whole since it was chosen; in `iterative`, its blocks come from a child that was.
//   node bench/rounds.mjs [SEED …] [--memory 35%] [--share 50%] [--store DIR]
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parse, stringify } from 'yaml'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    memory: { type: 'string', default: '35%' },
    share: { type: 'string', default: '50%' },
    store: { type: 'string' },
  },
})
const source = fileURLToPath(new URL('../examples/quickstart', import.meta.url))
const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'puzzleflow-rounds-'))
cpSync(source, place, { recursive: true })
const { target, stages, ...spec } = parse(readFileSync(join(source, 'search.yaml'), 'utf8'))

/** A share of a number of tokens such as 28k. */
const tokens = (text, rounds) => `${parseFloat(text) / rounds}${text.replace(/[\d.]/g, '')}`
const brief = { repetitions: 1 }

function search(pipeline, seed) {
  const rounds = pipeline === 'iterative' ? 2 : 1
  const name = `${pipeline}-${seed}`
  const text = stringify({
    ...{ ...spec, name, pipeline, seed },
    target: { scenario: target.scenario, limits: { memory: `<= ${options.memory}` } },
    stages: {
      ...stages,
      // Nothing here depends on times.
      profile: { repetitions: 1, precision: '100%', children: 0, copies: 1 },
      distill: { ...stages.distill, tokens: tokens(stages.distill.tokens, rounds) },
      uptrain: { ...stages.uptrain, tokens: tokens(stages.uptrain.tokens, rounds) },
      refine: { ...stages.refine, evaluations: 120 / rounds },
      ...(rounds > 1 && { 'first-solve': { share: options.share } }),
      evaluate: { items: 40, sequences: 96, ...brief },
      select: { items: 40, sequences: 96, ...brief },
      'check-child': { ...stages['check-child'], ...brief },
      improve: { attempts: 0 },
      'evaluate-child': { sequences: 96, ...brief },
    },
  })
  writeFileSync(join(place, `${name}.yaml`), text)
  const store = options.store ?? join(place, 'store')
  const args = [command, 'run', join(place, `${name}.yaml`), '--run', name, '--store', store, '--json']
  const { stdout, status } = spawnSync(process.execPath, args, {
    cwd: place,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${name} ended with exit code ${status}`)
  return JSON.parse(stdout)
}

console.log('pipeline   seed  memory  KL untrained  KL trained  accuracy')
for (const seed of positionals.length > 0 ? positionals.map(Number) : [1])
  for (const pipeline of ['puzzle', 'iterative']) {
    const { ratios, beforeUptraining, child } = search(pipeline, seed)
    const percent = (n) => `${(100 * n).toFixed(2)} %`
    console.log(
      `${pipeline.padEnd(9)}  ${String(seed).padEnd(4)}  ${percent(ratios.memory)}  ${beforeUptraining.kl.toFixed(4)}        ${child.kl.toFixed(5)}     ${percent(ratios.accuracy)}`,
    )
  }

// How much memory and time uptraining takes layer by layer, with the weights of parent and child on disk: a parent of random weights
// is made on the spot (bfloat16), its child has other blocks in three of four layers. Prints the peak of resident memory over all
// processes, and seconds a step. `--compare` trains a smaller model in both ways, in turn, and prints the ratio of their speeds.
//   npm run build && node bench/uptrain-memory.mjs [--steps 3] [--batch 2] [--length 128] [--threads 2] [--folder DIR]
//   npm run build && node bench/uptrain-memory.mjs --compare [--steps 8] [--rounds 3]
import { fork } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { residentBytes } from '../dist/activities/memory.js'
import { cacheWeights, layerFacts, openModel, replaceBlocks } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { parameterCount } from '../dist/puzzle/costs.js'
import { uptrainChild } from '../dist/puzzle/uptraining.js'
import { large, small, writeParent } from './random-parent.mjs'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '3' },
    batch: { type: 'string', default: '2' },
    length: { type: 'string', default: '128' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string' },
    compare: { type: 'boolean', default: false },
    job: { type: 'string' },
  },
})

/** In three of four layers, the child has a narrower FFN, fewer heads of keys and values, or no attention. */
function childOf(parent) {
  const { blocks, config } = parent
  const filling = (layer, slot, block, params) => ({
    ...{ layer, slot, block, params },
    async weights() {
      const type = blocks.get(slot, block)
      if (type.empty) return {}
      const { norm, ...own } = await parent.weights(layer, slot)
      return { norm, ...(await type.initialise(own, layerFacts(config, layer), params, {})) }
    },
  })
  return replaceBlocks(
    parent,
    config.blocks.flatMap((_, layer) => {
      if (layer % 4 === 1) return [filling(layer, 'ffn', 'swiglu', { width: config.intermediate / 2 })]
      if (layer % 4 === 2) return [filling(layer, 'attention', 'grouped-query', { kvHeads: config.kvHeads / 2 })]
      if (layer % 4 === 3) return [filling(layer, 'attention', 'no-op', {})]
      return []
    }),
  )
}

/** Trains in this process, and says when each step has ended. */
async function train({ folder, steps, batch, length, threads, layerwise }) {
  const parent = cacheWeights(await openModel(join(folder, 'parent'), makeBlocks()))
  const child = childOf(parent)
  const own = mkdtempSync(join(folder, 'training-'))
  const count = batch * steps
  const ids = Int32Array.from({ length: count * length }, (_, i) => 3 + ((i * 7919) % (parent.config.vocabulary - 3)))
  const text = { count, length, ids, mask: new Float32Array(ids.length).fill(1) }
  const begin = performance.now()
  const times = []
  const context = {
    ...{ threads, scratch: own, checkpoint: join(own, 'checkpoint'), signal: new AbortController().signal },
    progress(fraction, message) {
      if (message.endsWith('saved')) times.push((performance.now() - begin) / 1000)
      else if (message.includes('layer 0 forwards')) times[0] ??= (performance.now() - begin) / 1000
    },
  }
  const params = { tokens: steps * batch * length, batch, learningRate: 1e-4, weightDecay: 0.01, seed: 1, layerwise }
  const { loss } = await uptrainChild(parent, child, [], text, params, context, join(own, 'child'))
  const seconds = (performance.now() - begin) / 1000
  rmSync(own, { recursive: true })
  return {
    parameters: [parameterCount(parent), parameterCount(child)],
    times,
    seconds,
    loss,
    peak: process.resourceUsage().maxRSS * 1024,
  }
}

if (values.job !== undefined) {
  process.send(await train(JSON.parse(values.job)))
  process.disconnect()
} else {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'uptrain-memory-'))
  const [steps, batch, length, threads] = [values.steps, values.batch, values.length, values.threads].map(Number)
  const run = async (job) => {
    const child = fork(fileURLToPath(import.meta.url), ['--job', JSON.stringify({ folder, threads, ...job })])
    let peak = 0
    const clock = setInterval(async () => (peak = Math.max(peak, await residentBytes(process.pid, new Set()))), 1000)
    const result = await new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`The training ended with ${code}`)))
    })
    clearInterval(clock)
    return { ...result, sampled: peak }
  }
  if (!existsSync(join(folder, 'parent/model.safetensors')))
    await writeParent(join(folder, 'parent'), values.compare ? small : large)
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`
  if (values.compare) {
    const rates = []
    for (let round = 0; round < Number(values.rounds); round++) {
      const job = { steps, batch: 8, length: 128 }
      const whole = await run({ ...job, layerwise: false })
      const layers = await run({ ...job, layerwise: true })
      rates.push(whole.seconds / layers.seconds)
      console.log(
        `${(whole.parameters[0] / 1e6).toFixed(0)} M parameters, ${steps} steps of 1024 tokens: whole ${whole.seconds.toFixed(1)} s, ${gib(whole.peak)}; layer by layer ${layers.seconds.toFixed(1)} s, ${gib(layers.peak)}; losses ${whole.loss.toPrecision(6)} and ${layers.loss.toPrecision(6)}`,
      )
    }
    const median = rates.sort((a, b) => a - b)[rates.length >> 1]
    console.log(`Layer by layer goes at ${(100 * median).toFixed(0)} % of the speed (median of ${rates.length})`)
  } else {
    const { parameters, times, peak, sampled, loss, seconds } = await run({ steps, batch, length, layerwise: true })
    const each = times.slice(1).map((end, i) => end - times[i])
    console.log(`parent ${(parameters[0] / 1e6).toFixed(0)} M parameters, child ${(parameters[1] / 1e6).toFixed(0)} M`)
    console.log(`${steps} steps of ${batch} x ${length} tokens, ${threads} threads, loss ${loss.toPrecision(6)}`)
    console.log(`seconds a step: ${each.map((s) => s.toFixed(1)).join(', ')}; ${seconds.toFixed(0)} in all`)
    console.log(`peak memory: ${gib(peak)} of the training, ${gib(sampled)} sampled over all processes`)
  }
  if (values.folder === undefined) rmSync(folder, { recursive: true })
}

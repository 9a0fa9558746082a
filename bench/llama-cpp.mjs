// Measures tokens per second of a parent and a child, in puzzleflow and llama.cpp side by side, on one thread:
//   node bench/llama-cpp.mjs PARENT CHILD [batch,prefill,generate …]
// Without folders: the quickstart's parent, and the same model with half of its FFNs narrowed and half of its attention removed.
import { join } from 'node:path'
import { alternate, layerFacts, openModel, openTimed, replaceBlocks } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'
import { runtime } from '../dist/puzzle/costs.js'
import { speedsOf } from '../dist/puzzle/speed.js'

const blocks = makeBlocks()
const paths = process.argv.slice(2).filter((arg) => !/^\d+,/.test(arg))
const given = process.argv.slice(2).filter((arg) => /^\d+,/.test(arg))
const scenarios = (given.length > 0 ? given : ['1,32,64', '16,32,64']).map((text) => {
  const [batch, prefill, generate] = text.split(',').map(Number)
  return { batch, prefill, generate }
})

const parent = await openModel(paths[0] ?? join(import.meta.dirname, '../examples/quickstart/parent'), blocks)
const child = paths[1] ? await openModel(paths[1], blocks) : await halved(parent)

async function halved(model) {
  const replacements = []
  for (let layer = 0; layer < model.config.layers; layer += 2) {
    const width = Math.round(model.config.intermediate / 4)
    const { norm, ...ffn } = await model.weights(layer, 'ffn')
    const weights = await blocks.get('ffn', 'swiglu').initialise(ffn, layerFacts(model.config, layer), { width }, {})
    replacements.push({ layer, slot: 'ffn', block: 'swiglu', params: { width }, weights: { norm, ...weights } })
    replacements.push({ layer, slot: 'attention', block: 'no-op', params: {}, weights: {} })
  }
  return replaceBlocks(model, replacements)
}

console.log('batch,prefill,generate | engine | parent tokens/s | child tokens/s | child / parent')
for (const scenario of scenarios) {
  const engines = [undefined, 'llama.cpp']
  const timed = []
  for (const engine of engines)
    for (const model of [parent, child]) timed.push(await openTimed(model, { ...scenario, ...(engine && { engine }) }))
  // All take turns, so that other load affects all of them.
  const passes = await alternate(timed, 5)
  for (const one of timed) await one.release()
  const seconds = passes.map((own) => own.map(runtime))
  const prompts = passes.map((own) => own.map(({ prefillSeconds }) => prefillSeconds))
  for (const [i, engine] of engines.entries()) {
    const [a, b] = [2 * i, 2 * i + 1]
    const prefill = { parent: prompts[a], child: prompts[b] }
    const timing = { parent: seconds[a], child: seconds[b], prefill, error: 0.025 }
    const { throughput: speed } = speedsOf(scenario, timing)
    const name = Object.values(scenario).join(',')
    console.log(
      `${name} | ${engine ?? 'puzzleflow'} | ${speed.parent.toFixed(0)} | ${speed.child.value.toFixed(0)} | ${speed.ratio.value.toFixed(2)}`,
    )
  }
}

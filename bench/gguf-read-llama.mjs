// What llama.cpp makes of a GGUF file, for bench/gguf-read.mjs: a process of its own, as a file that llama.cpp cannot bear
// ends the process. Reads {"folder", "file", "texts", "sequences"} from stdin; writes {"tokens", "nll"} as the last line.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const { folder, file, texts, sequences } = JSON.parse(await text(process.stdin))
const entry = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
const { getLlama } = await import(pathToFileURL(entry).href)
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: 2, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 })
// Without what node-llama-cpp would trim, and without reading control tokens from the text.
const tokens = texts.map((own) => [...model.tokenize(own, false, 'trimLeadingSpace'), -1].slice(0, -1))
const nll = []
if (sequences.length > 0) {
  const context = await model.createContext({
    contextSize: sequences[0].length + 8,
    batchSize: sequences[0].length,
    threads: 2,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const sequence = context.getSequence()
  for (const ids of sequences) {
    await sequence.clearHistory()
    const asked = ids.slice(0, -1).map((id, i) => {
      // What the likelihood needs (at temperature 0 the selected token is the most likely one): all logits would take minutes.
      const logits = { filter: { tokens: [ids[i + 1]], includeSelected: true } }
      return [id, { generateNext: { logits, totalLogitWeight: true } }]
    })
    const found = await sequence.controlledEvaluate(asked)
    asked.forEach((_, i) => {
      const { logits, totalLogitWeight } = found[i].next
      nll.push(Math.log(totalLogitWeight) + Math.max(...logits.values()) - logits.get(ids[i + 1]))
    })
    process.stderr.write('.')
  }
  process.stderr.write('\n')
}
process.stdout.write(`${JSON.stringify({ tokens, nll })}\n`)
// Its threads would keep the process.
process.exit(0)

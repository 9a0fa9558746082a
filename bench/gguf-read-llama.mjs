// Runs llama.cpp on a GGUF file for bench/gguf-read.mjs, in a separate process because llama.cpp aborts on files that it cannot
// read. Reads {"folder", "file", "texts", "sequences"} from stdin and writes {"tokens", "nll"} as the last line.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const { folder, file, texts, sequences } = JSON.parse(await readAll(process.stdin))
const entry = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
const { getLlama } = await import(pathToFileURL(entry).href)
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: 2, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 })
// Prevent node-llama-cpp from trimming, and from reading control tokens in the text.
const tokens = texts.map((text) => [...model.tokenize(text, false, 'trimLeadingSpace'), -1].slice(0, -1))
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
      // Only what the likelihood needs (at temperature 0, the selected token is the most likely one); all logits would take minutes.
      const logits = { filter: { tokens: [ids[i + 1]], includeSelected: true } }
      return [id, { generateNext: { logits, totalLogitWeight: true } }]
    })
    const evaluated = await sequence.controlledEvaluate(asked)
    asked.forEach((_, i) => {
      const { logits, totalLogitWeight } = evaluated[i].next
      nll.push(Math.log(totalLogitWeight) + Math.max(...logits.values()) - logits.get(ids[i + 1]))
    })
    process.stderr.write('.')
  }
  process.stderr.write('\n')
}
process.stdout.write(`${JSON.stringify({ tokens, nll })}\n`)
// llama.cpp's threads would keep the process alive.
process.exit(0)

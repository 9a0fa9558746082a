// Runs a GGUF file in stock llama.cpp: what is asked comes as JSON on stdin, what it said goes to stdout as JSON. In a process
// of its own, as llama.cpp ends the whole process at many a mistake of a file.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const {
  packages,
  model: modelPath,
  texts = [],
  sequences = [],
  greedy = 0,
  logits = 0,
  last = Infinity,
  contextSize = 256,
  cacheType = 'F32',
} = JSON.parse(readFileSync(0, 'utf8'))
const entry = createRequire(pathToFileURL(`${packages}/`)).resolve('node-llama-cpp')
const { getLlama } = await import(pathToFileURL(entry).href)
const said = []
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  maxThreads: 1,
  logLevel: 'error',
  logger: (level, message) => said.push(message.trim()),
})
try {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
  const answer = { tokens: texts.map((text) => [...model.tokenize(text, true)]), logits: [], greedy: [] }
  if (sequences.length > 0) {
    const context = await model.createContext({
      contextSize,
      batchSize: contextSize,
      threads: 1,
      // Values can only be quantised with it.
      flashAttention: cacheType !== 'F32',
      experimentalKvCacheKeyType: cacheType,
      experimentalKvCacheValueType: cacheType,
    })
    const sequence = context.getSequence()
    for (const [i, ids] of sequences.entries()) {
      await sequence.clearHistory()
      if (i < logits) {
        const all = await sequence.controlledEvaluate(
          ids.map((id, t) => (t < ids.length - last ? id : [id, { generateNext: { logits: true } }])),
        )
        answer.logits.push(
          all.slice(-last).map(({ next }) => {
            const row = []
            for (const [id, value] of next.logits) row[id] = value
            return row
          }),
        )
        await sequence.clearHistory()
      }
      const own = []
      if (greedy > 0)
        for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
          own.push(token)
          if (own.length === greedy) break
        }
      answer.greedy.push(own)
    }
  }
  process.stdout.write(JSON.stringify(answer), () => process.exit(0))
} catch (error) {
  process.stderr.write(`${error.message}\n${said.join('\n')}\n`, () => process.exit(1))
}

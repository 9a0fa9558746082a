// Runs passes through a scenario in llama.cpp, by node-llama-cpp, for the process that started this one. In a process of its
// own, as llama.cpp ends the whole process at many a mistake, and keeps threads. It ends when its parent does.
import { pathToFileURL } from 'node:url'

process.on('disconnect', () => process.exit(0))
const said = []
let pass

async function open({ entry, modelPath, batch, prefill, generate, cacheType, vocabulary, threads }) {
  const { getLlama } = await import(pathToFileURL(entry).href)
  const llama = await getLlama({
    ...{ gpu: false, build: 'never', skipDownload: true, maxThreads: threads, logLevel: 'error' },
    logger: (_, message) => said.push(message.trim()),
  })
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
  const context = await model.createContext({
    ...{ contextSize: prefill + generate + 1, batchSize: Math.min(batch * prefill, 2048), sequences: batch, threads },
    flashAttention: true,
    experimentalKvCacheKeyType: cacheType,
    experimentalKvCacheValueType: cacheType,
  })
  const sequences = Array.from({ length: batch }, () => context.getSequence())
  const options = { generateNext: { token: true, options: { temperature: 0 } } }
  const prompts = sequences.map((_, row) =>
    Array.from({ length: prefill }, (_, i) => ((row * prefill + i) * 7919) % vocabulary),
  )
  /** Puts tokens behind each sequence. @returns of each the next token */
  const next = (tokens) =>
    Promise.all(
      sequences.map(async (sequence, row) => {
        const own = tokens[row]
        const all = await sequence.controlledEvaluate([...own.slice(0, -1), [own.at(-1), options]])
        return [all.at(-1).next.token]
      }),
    )
  pass = async () => {
    for (const sequence of sequences) await sequence.clearHistory()
    const begin = performance.now()
    let last = await next(prompts)
    const middle = performance.now()
    for (let n = 1; n < generate; n++) last = await next(last)
    // Prefill returns the only token, if it is one.
    const end = generate > 1 ? performance.now() : middle
    return { prefillSeconds: (middle - begin) / 1000, decodeSeconds: (end - middle) / 1000 }
  }
  return {}
}

async function processorSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const answers = { open, pass: () => pass(), processorSeconds }

process.on('message', (question) => {
  answers[question.kind](question).then(
    (value) => process.send({ value }),
    (error) => process.send({ error: [error.message, ...said].join('\n') }),
  )
})

import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../api/index.js'
import { generateAll, Tokenizer, type Model } from '../../model/index.js'
import { uniform } from '../../tensor/random.js'

/** Tokens of each text, and texts that are written at the same time. */
const [length, batch] = [256, 16]

/**
 * Lets a model write text to calibrate and train blocks with: it begins with a random token, and goes on as the model thinks
 * likely (temperature 1). What was written before an interruption is kept.
 *
 * @source Liu et al., "LLM-QAT: Data-Free Quantization Aware Training", arXiv 2305.17888, section 3.1
 * @param tokens  about how many
 * @returns path of the file, one text a line
 */
export async function writeOwnText(
  model: Model,
  tokens: number,
  folder: string,
  { threads, log }: { readonly threads: number; readonly log: (line: string) => void },
): Promise<string> {
  const path = join(folder, 'self.jsonl')
  if (existsSync(path)) return path
  const { config } = model
  const tokenizer = Tokenizer.open(model.folder, config.vocabulary)
  const begin = tokenizer.encode('')
  const each = Math.min(length, config.maxPositions - begin.length - 1)
  if (each < 8)
    throw new Failure('InvalidInput', `The model has only ${config.maxPositions} positions: too few to write text`)
  mkdirSync(folder, { recursive: true })
  const part = `${path}.part`
  const texts = Math.ceil(tokens / each)
  const random = uniform(1)
  // The first tokens of all texts: the same after an interruption.
  const firsts = Array.from({ length: texts }, () => Math.floor(random() * config.vocabulary))
  let saidAt = Date.now()
  for (let done = writtenIn(part); done < texts;) {
    const now = firsts.slice(done, done + batch)
    const written = now.map((token) => [token])
    const prompts = now.map((token) => [...begin, token])
    for await (const { sequence, token } of generateAll(model, prompts, {
      ...{ maxTokens: each, temperature: 1, seed: done + 1, batch, threads },
    })) {
      if (!config.eos.includes(token)) written[sequence]!.push(token)
      if (Date.now() - saidAt > 5000) {
        log(`writing text: ${done} of ${texts} pieces`)
        saidAt = Date.now()
      }
    }
    appendFileSync(part, written.map((ids) => `${JSON.stringify({ text: tokenizer.decode(ids) })}\n`).join(''))
    done += now.length
  }
  renameSync(part, path)
  return path
}

/** Whole batches of lines in a file that was begun; what is left of another one is cut off. */
function writtenIn(part: string): number {
  if (!existsSync(part)) return 0
  const lines = readFileSync(part, 'utf8').split('\n').slice(0, -1)
  const whole = lines.length - (lines.length % batch)
  truncateSync(
    part,
    Buffer.byteLength(
      lines
        .slice(0, whole)
        .map((line) => `${line}\n`)
        .join(''),
    ),
  )
  return whole
}

// Writes tasks/: what the model is asked with one right answer each. NAME.jsonl is for the search, NAME.test.jsonl for the final
// evaluation; no item is in both. Everything follows from a seed, from facts.mjs and from data/, which data.mjs writes.
//   node examples/gemma-3-270m/tasks.mjs
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { facts } from './facts.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
/** Items of each task for the search, and as many for the test. */
const items = 60
const nouns =
  'apple river stone garden window table horse candle bridge letter forest pencil mirror bottle ladder island button carpet hammer basket cloud engine feather guitar jacket kettle lemon market needle orange pillow rabbit saddle ticket violin wagon anchor barrel castle dragon'.split(
    ' ',
  )

/** A generator of numbers in [0, 1): mulberry32. */
function generator(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
const between = (random, least, most) => least + Math.floor(random() * (most - least + 1))
const pick = (random, list) => list[between(random, 0, list.length - 1)]
function sample(random, list, n) {
  const left = [...list]
  return Array.from({ length: n }, () => left.splice(between(random, 0, left.length - 1), 1)[0])
}

/** Different items of a kind, half of them for the test. */
function different(seed, make) {
  const random = generator(seed)
  const all = new Map()
  while (all.size < 2 * items) {
    const item = make(random)
    all.set(item.prompt, item)
  }
  return halves([...all.values()])
}
const halves = (all) => ({ validation: all.filter((_, i) => i % 2 === 0), test: all.filter((_, i) => i % 2 === 1) })

/** A list of words, which is to be repeated. */
function copying(random) {
  const words = sample(random, nouns, between(random, 8, 12)).join(', ')
  return { prompt: `The words are ${words}. I repeat: the words are`, answer: words }
}

/** The next two numbers of a sequence with equal steps. */
function counting(random) {
  const step = pick(random, [1, 2, 3, 5, 10])
  const start = between(random, 1, 60)
  const terms = Array.from({ length: 8 }, (_, i) => start + i * step)
  return { prompt: `${terms.slice(0, 6).join(', ')},`, answer: terms.slice(6).join(', ') }
}

/** A number below 90 plus one below ten, after four sums. */
function arithmetic(random) {
  const sum = (a, b) => [`${a} + ${b} =`, `${a + b}`]
  const shown = [sum(23, 4), sum(8, 7), sum(52, 6), sum(9, 3)].map((parts) => parts.join(' '))
  const [question, answer] = sum(between(random, 1, 89), between(random, 1, 9))
  return { prompt: [...shown, question].join('\n'), answer }
}

/** Each fact after three of its kind. */
function knowledge() {
  const all = facts.flatMap(({ sentence, known }) => {
    const [shown, asked] = [known.slice(0, 3), known.slice(3)].map((pairs) => pairs.map((pair) => sentence(...pair)))
    const before = shown.map((parts) => parts.join(' '))
    return asked.map(([question, answer]) => ({ prompt: [...before, question].join('\n'), answer }))
  })
  return halves(all)
}

/** Passages that end with a word, which is asked beside three words that end other sentences of the same text. */
function cloze(seed, texts) {
  const random = generator(seed)
  const passages = texts.map((text) => {
    const all = passagesOf(text)
    return sample(random, all, all.length)
  })
  const found = []
  for (let round = 0; found.length < items; round++) {
    const before = found.length
    for (const own of passages) {
      const passage = own[round]
      if (!passage || found.length === items) continue
      const [beginning, last] = passage
      const others = [...new Set(own.map(([, word]) => word))].filter(
        (word) => word !== last && !new RegExp(`\\b${word}\\b`, 'i').test(beginning),
      )
      if (others.length < 3) continue
      const answer = between(random, 0, 3)
      const choices = sample(random, others, 3)
      found.push({ passage: beginning, choices: [...choices.slice(0, answer), last, ...choices.slice(answer)], answer })
    }
    if (found.length === before) break
  }
  return found
}

/** Neighbouring sentences, of 30 to 60 words together, that end with a word of five letters or more: without it, and that word.
 *  No sentence is in two of them. */
function passagesOf(text) {
  const passages = []
  for (const paragraph of text.split('\n')) {
    let words = []
    for (const sentence of paragraph.split(/(?<=[.!?]) (?=[A-Z])/)) {
      words.push(...sentence.split(' '))
      if (words.length < 30) continue
      const [last] = /^[a-z]{5,}(?=[.!?]$)/.exec(words.at(-1)) ?? []
      if (words.length <= 60 && last) passages.push([words.slice(0, -1).join(' '), last])
      words = []
    }
  }
  return passages
}

function textsOf(split) {
  const file = join(here, 'data', `${split}.jsonl`)
  if (!existsSync(file)) {
    console.error(`There is no ${file}. Write it first: node examples/gemma-3-270m/data.mjs`)
    process.exit(1)
  }
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line).text)
}

const folder = join(here, 'tasks')
mkdirSync(folder, { recursive: true })
function write(name, text) {
  writeFileSync(join(folder, `.${name}.tmp`), text)
  renameSync(join(folder, `.${name}.tmp`), join(folder, name))
}
function writeItems(name, { validation, test }) {
  for (const [file, all] of [
    [`${name}.jsonl`, validation],
    [`${name}.test.jsonl`, test],
  ])
    write(file, all.map((item) => `${JSON.stringify(item)}\n`).join(''))
  console.log(`${name}: ${validation.length} items, and ${test.length} for the test`)
}
writeItems('copying', different(1, copying))
writeItems('counting', different(2, counting))
writeItems('arithmetic', different(3, arithmetic))
writeItems('facts', knowledge())
write(
  'tasks.json',
  `${JSON.stringify({ copying: { chance: 0 }, counting: { chance: 0 }, arithmetic: { chance: 0.05 }, facts: { chance: 0.03 } }, null, 2)}\n`,
)
writeItems('cloze', { validation: cloze(4, textsOf('validate')), test: cloze(5, textsOf('test')) })
write(
  'cloze.yaml',
  `# A task of lm-evaluation-harness: which word ends the passage?
task: cloze
dataset_path: json
dataset_kwargs: { data_files: { validation: cloze.jsonl, test: cloze.test.jsonl } }
validation_split: validation
test_split: test
output_type: multiple_choice
doc_to_text: passage
doc_to_choice: choices
doc_to_target: answer
metric_list: [{ metric: acc }]
`,
)

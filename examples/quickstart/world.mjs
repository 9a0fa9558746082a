// The small world of the quickstart: arithmetic, facts, copying, lookup, and stories about who is where and has what.
//   node world.mjs            writes tokenizer.json's words, tasks, and the data of the search
//   node world.mjs --parent   writes the parent's training data as well (65 MB, not kept in the repository)
//   node world.mjs --parent=0.01   the same with a hundredth of the documents, to look at
//   node world.mjs --check    counts held-out items that occur in any training data: must be 0
// Everything follows from fixed seeds. An item is held out by a hash of what it asks, so training data never holds it.
import { createReadStream, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const words = (text) => text.split(' ')
const names = words('anna bob carl david emma fred gina hugo iris jack kate leo')
const places = words('attic park cellar garden kitchen barn harbor school tower market')
const things = words('key ball book coin lamp map ring rope cup bell')
const animals = words('fox owl seal bear wolf hare crow toad swan mole goat deer')
const colors = words('red black white brown gray green blue yellow')
const foods = words('fish corn nuts grass worms berries')
const homes = words('forest river cave field lake hill')
const digits = words('0 1 2 3 4 5 6 7 8 9')
const grammar = words(
  '<pad> <s> </s> <unk> + - = . , ? copy reverse list the is in where what has saw and of color food home',
)
export const vocabulary = [
  ...grammar,
  ...digits,
  ...names,
  ...places,
  ...things,
  ...animals,
  ...colors,
  ...foods,
  ...homes,
]

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
const below = (random, n) => Math.floor(random() * n)
const pick = (random, list) => list[below(random, list.length)]
function sample(random, list, n) {
  const copy = [...list]
  return Array.from({ length: n }, () => copy.splice(below(random, copy.length), 1)[0])
}

/** FNV-1a: one prompt in twelve is held out. */
function heldOut(prompt) {
  let hash = 0x811c9dc5
  for (let i = 0; i < prompt.length; i++) hash = Math.imul(hash ^ prompt.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 15
  return (Math.imul(hash, 0x2c1b3c6d) >>> 0) % 12 === 0
}

const table = generator(7)
const facts = Object.fromEntries(
  animals.map((animal) => [animal, { color: pick(table, colors), food: pick(table, foods), home: pick(table, homes) }]),
)
const twoDigits = (n) => `${Math.floor(n / 10)} ${n % 10}`
const symbols = [...animals, ...things, ...colors]

/** One question with its answer: { prompt, answer }. `ease` from 0 (as the tasks ask) to 1 (short). */
const single = {
  add(random) {
    const a = below(random, 100)
    const b = below(random, 100 - a)
    return { prompt: `${twoDigits(a)} + ${twoDigits(b)} =`, answer: twoDigits(a + b) }
  },
  sub(random) {
    const a = below(random, 100)
    const b = below(random, a + 1)
    return { prompt: `${twoDigits(a)} - ${twoDigits(b)} =`, answer: twoDigits(a - b) }
  },
  fact(random) {
    const [animal, other] = sample(random, animals, 2)
    const [one, two] = sample(random, names, 2)
    const kind = pick(random, ['color', 'food', 'home'])
    return {
      prompt: `${one} saw the ${animal} and ${two} the ${other} . the ${kind} of the ${animal} is`,
      answer: facts[animal][kind],
    }
  },
  copy(random, ease) {
    const list = sample(random, symbols, (ease ? 2 : 4) + below(random, 3)).join(' ')
    return { prompt: `copy ${list} =`, answer: list }
  },
  reverse(random, ease) {
    const list = sample(random, symbols, (ease ? 2 : 3) + below(random, 3))
    return { prompt: `reverse ${list.join(' ')} =`, answer: [...list].reverse().join(' ') }
  },
}

/** Statements, then questions about them: [{ prompt so far, answer }]. */
const several = {
  lookup(random, ease, questions) {
    const keys = sample(random, [...animals, ...things], (ease ? 2 : 4) + below(random, 4))
    const values = keys.map(() => pick(random, [...colors, ...digits]))
    const head = `list ${keys.map((key, i) => `${key} ${values[i]}`).join(' , ')} .`
    const asked = Array.from({ length: questions }, () => below(random, keys.length))
    return chain(
      head,
      asked.map((i) => ({ ask: keys[i], answer: values[i] })),
    )
  },
  where: story(
    names,
    (who) => `${who} is in the`,
    (who) => `where is ${who} ?`,
    places,
  ),
  thing: story(
    things,
    (what) => `the ${what} is in the`,
    (what) => `where is the ${what} ?`,
    places,
  ),
  has: story(
    names,
    (who) => `${who} has the`,
    (who) => `what has ${who} ?`,
    things,
  ),
}

/** A state that statements change: the last one about a subject counts. */
function story(subjects, statement, question, values) {
  return (random, ease, questions) => {
    const subjectsHere = sample(random, subjects, ease ? 2 : 3 + below(random, 2))
    const state = new Map()
    const says = []
    // No two subjects ever share a value, so that a value answers for one subject only.
    const say = (subject) => {
      const free = values.filter((value) => ![...state.values()].includes(value))
      state.set(subject, pick(random, free))
      says.push(`${statement(subject)} ${state.get(subject)} .`)
    }
    subjectsHere.forEach(say)
    for (let changes = below(random, ease ? 2 : 3); changes > 0; changes--) say(pick(random, subjectsHere))
    // Everyone is asked about once before anyone is asked about again.
    const order = sample(random, subjectsHere, subjectsHere.length)
    const asked = Array.from({ length: questions }, (_, i) => order[i] ?? pick(random, subjectsHere))
    return chain(
      says.join(' '),
      asked.map((s) => ({ ask: `${question(s)} ${statement(s)}`, answer: state.get(s) })),
    )
  }
}

function chain(head, questions) {
  let text = head
  return questions.map(({ ask, answer }) => {
    const prompt = `${text} ${ask}`
    text = `${prompt} ${answer} .`
    // `alone`: as a task would ask it.
    return { prompt, answer, alone: `${head} ${ask}` }
  })
}

/** Stories are in the world and its texts; the parent does not answer questions about them yet, so they are not tasks. */
const tasks = ['add', 'sub', 'fact', 'copy', 'reverse', 'lookup']
const shares = { add: 15, sub: 13, fact: 7, copy: 10, reverse: 11, lookup: 14, where: 12, thing: 9, has: 9 }
/** Most of the parent's second course is retrieval; its documents are full of questions. */
const retrieval = { add: 7, sub: 6, fact: 2, copy: 3, reverse: 4, lookup: 30, where: 20, thing: 14, has: 14 }
/** How often the best guess that does not look at what is asked would be right: one sum or difference is in 5 of 100
 *  items, one of the five or six values of a list is the one that is asked for. */
export const chances = {
  add: 0.05,
  sub: 0.05,
  fact: 0.15,
  copy: 0.001,
  reverse: 0.001,
  lookup: 0.18,
}
const maximumTokens = 95
const length = (text) => text.split(' ').length

/** A document of one task: { text, answers: [[start, end]] } in characters. */
function document(random, ease, { mixture, dense }) {
  for (;;) {
    const task = draw(random, mixture)
    if (task in several) {
      const items = several[task](random, ease, dense ? maximumTokens : 1 + (ease ? 4 : 3) + below(random, 3))
      const last = items.filter(({ prompt }) => length(prompt) < maximumTokens - 2)
      if (last.length === 0 || last.some(({ prompt, alone }) => heldOut(task + (dense ? alone : prompt)))) continue
      const text = `${last.at(-1).prompt} ${last.at(-1).answer} .`
      return { text, answers: last.map(({ prompt, answer }) => [prompt.length + 1, prompt.length + 1 + answer.length]) }
    }
    let text = ''
    const answers = []
    const once = new Set()
    for (;;) {
      const item = single[task](random, ease)
      if (once.has(item.prompt) || heldOut(task + item.prompt)) continue
      if (length(text) + length(item.prompt) + length(item.answer) + 1 > maximumTokens) break
      once.add(item.prompt)
      const start = (text === '' ? 0 : text.length + 1) + item.prompt.length + 1
      text = `${text}${text === '' ? '' : ' '}${item.prompt} ${item.answer} .`
      answers.push([start, start + item.answer.length])
    }
    return { text, answers }
  }
}
function draw(random, mixture) {
  let at = random() * Object.values(mixture).reduce((a, b) => a + b)
  for (const [task, share] of Object.entries(mixture)) if ((at -= share) < 0) return task
  return 'add'
}

/** Items of a task, all held out, none twice.
 *  @param others  prompts that are not among them */
function items(task, count, seed, others = new Set()) {
  const random = generator(seed)
  const seen = new Map()
  while (seen.size < count) {
    const item = task in several ? several[task](random, 0, 1)[0] : single[task](random, 0)
    if (heldOut(task + item.prompt) && !others.has(item.prompt))
      seen.set(item.prompt, { prompt: item.prompt, answer: item.answer })
  }
  return [...seen.values()]
}

/** Items that the search sees, and those that only the final evaluation sees; of the sums and differences of two digits, only a
 *  few hundred are held out. */
function itemSets(task) {
  const validation = items(task, 240, 11)
  const seen = new Set(validation.map(({ prompt }) => prompt))
  return { validation, test: items(task, task === 'add' || task === 'sub' ? 120 : 240, 12, seen) }
}

const write = (name, text) => {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}
const lines = (list) => list.map((item) => JSON.stringify(item)).join('\n') + '\n'
function documents(count, seed, ease = () => 0, kind = { mixture: shares, dense: false }) {
  const random = generator(seed)
  return Array.from({ length: count }, (_, i) => document(random, random() < ease(i / count) ? 1 : 0, kind))
}

function tokenizer() {
  const special = grammar.slice(0, 4)
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        { type: 'Replace', pattern: { Regex: '(?<![\\s\\S]) +| +(?![\\s\\S])' }, content: '' },
      ],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    // A word is a piece, so that llama.cpp can say it, too: its kinds of tokenizers know no list of words.
    model: {
      type: 'Unigram',
      unk_id: vocabulary.indexOf('<unk>'),
      vocab: vocabulary.map((word) => (special.includes(word) ? [word, 0] : [`▁${word}`, -1])),
      byte_fallback: false,
    },
  }
}

async function check() {
  const asked = (task) => (tasks.includes(task) ? Object.values(itemSets(task)).flat() : items(task, 240, 11))
  const held = new Set(Object.keys(shares).flatMap((task) => asked(task).map(({ prompt }) => prompt)))
  for (const name of [
    'data/train.jsonl',
    'data/validate.jsonl',
    'data/test.jsonl',
    'data/parent.jsonl',
    'data/parent-2.jsonl',
  ]) {
    if (!existsSync(join(folder, name))) continue
    let [count, found] = [0, 0]
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      const { text, answers } = JSON.parse(line)
      // An item occurs when its prompt stands before one of the answers, from the start of its question or of the story.
      for (const [start] of answers) {
        const before = text.slice(0, start - 1)
        const own = before.slice(before.lastIndexOf(' . ') + 3)
        const two = before.slice(before.lastIndexOf(' . ', before.lastIndexOf(' . ') - 1) + 3)
        count++
        if ([before, own, two].some((prompt) => held.has(prompt))) found++
      }
    }
    console.log(`${name}: ${found} of ${count} answers belong to a held-out item`)
    if (found > 0) process.exitCode = 1
  }
}

if (process.argv.includes('--check')) await check()
else {
  write('parent/tokenizer.json', JSON.stringify(tokenizer(), null, 1) + '\n')
  write(
    'parent/tokenizer_config.json',
    JSON.stringify(
      {
        tokenizer_class: 'PreTrainedTokenizerFast',
        bos_token: '<s>',
        eos_token: '</s>',
        unk_token: '<unk>',
        pad_token: '<pad>',
        add_bos_token: true,
        clean_up_tokenization_spaces: false,
      },
      null,
      1,
    ) + '\n',
  )
  for (const task of tasks) {
    const { validation, test } = itemSets(task)
    write(`tasks/${task}.jsonl`, lines(validation))
    write(`tasks/${task}.test.jsonl`, lines(test))
  }
  write(
    'tasks/tasks.json',
    JSON.stringify(Object.fromEntries(tasks.map((name) => [name, { chance: chances[name] }])), null, 1) + '\n',
  )
  write('data/train.jsonl', lines(documents(6000, 21)))
  write('data/validate.jsonl', lines(documents(400, 22)))
  write('data/test.jsonl', lines(documents(400, 25)))
  // The parent's documents stand in the order it reads them: easier ones in front.
  const parent = process.argv.find((argument) => /^--parent(=|$)/.test(argument))
  if (parent) {
    const share = Number(parent.split('=')[1] ?? 1)
    const count = (documents) => Math.round(documents * share)
    write('data/parent.jsonl', lines(documents(count(110_000), 23, (t) => Math.max(0, 0.8 - t / 0.4))))
    write(
      'data/parent-2.jsonl',
      lines(documents(count(60_000), 24, (t) => Math.max(0, 0.4 - t), { mixture: retrieval, dense: true })),
    )
  }
}

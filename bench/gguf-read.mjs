// Measures how long a GGUF file takes to open and how closely the model agrees with llama.cpp: token ids of various texts, and the
// mean negative log-likelihood of sequences of 640 tokens. Unlike puzzleflow, llama.cpp rounds activations if weights are quantised.
//   npm install --prefix FOLDER node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1 --ignore-scripts --omit=optional
//   npm run build && node bench/gguf-read.mjs MODEL.gguf --llama FOLDER [--text BOOK.txt] [--sequences 6]
// Exits with 1 if ids differ or the likelihoods are more than 1 % apart. Without --text, only ids are compared.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cacheWeights, embed, Forward, Head, openModel, Tokenizer } from '../dist/model/index.js'
import { makeBlocks } from '../dist/plugins/blocks/index.js'

const length = 640
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { llama: { type: 'string' }, text: { type: 'string' }, sequences: { type: 'string', default: '6' } },
})
const [file] = positionals
if (file === undefined || values.llama === undefined) {
  console.error('Usage: node bench/gguf-read.mjs MODEL.gguf --llama FOLDER [--text BOOK.txt] [--sequences N]')
  process.exit(2)
}

const texts = [
  'The capital of France is Paris.',
  ' a leading space',
  'trailing spaces   ',
  'two  three   four    five     spaces',
  '                        many spaces before',
  '\ta tab\t\ttwo tabs\t\t\tthree',
  '\n\nlines\n\n\n\nmore lines\r\nand Windows\r\n',
  ' ',
  '  \n  \t  ',
  'function f(x) {\n  return x => x ** 2 /* squared */\n}\n',
  'def f(x: int) -> str:\n    """Doc."""\n    if x != 0:\n        return f"{x!r:>10}"\n',
  '#include <stdio.h>\nint main(void) { printf("%d\\n", 0x7fff >> 2); }',
  '<div class="a"><p>Text &amp; more</p><br/></div>',
  '{"key": [1, 2.5e-3, null, true], "nested": {"a": "b"}}',
  'SELECT name, COUNT(*) FROM t WHERE id >= 100 GROUP BY name;',
  '0 1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 -42 1e-10',
  '٣٤٥ ४५६ １２３ Ⅷ ½ x² H₂O',
  "It's they're we'll I'd CAN'T don’t",
  'Ich weiß, daß die Straßenbahnhaltestelle größer ist: „Grüße“ …',
  'L’été dernier, à Besançon, où l’œuvre naïve a été reçue.',
  '¿Dónde está el niño? ¡Aquí, señor!',
  'Съешь же ещё этих мягких французских булок, да выпей чаю.',
  'Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.',
  '我们今天去北京看长城，然后吃烤鸭。',
  '吾輩は猫である。名前はまだ無い。カタカナとひらがな',
  '키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.',
  'نص حكيم له سر قاطع وذو شأن عظيم',
  'דג סקרן שט בים מאוכזב',
  'ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण',
  'เป็นมนุษย์สุดประเสริฐเลิศคุณค่า',
  'Tiếng Việt có rất nhiều dấu thanh.',
  '😀 👍🏽 👨‍👩‍👧‍👦 🇪🇺 🏳️‍🌈 emoji🎉in🎉words',
  'e\u0301 versus \u00e9, \u212b versus \u00c5, \ufb01 ligature, non\u00a0breaking, zero\u200bwidth',
  '\u0001\u0002 control \u007f and \ufffd',
  '𝕬𝖓 𝓮𝔁𝓪𝓶𝓹𝓵𝓮 𐍈 𒀀 ꙮ',
  '▁already▁marked ▁ here',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  '----------====________****####!!!!????....',
  'https://example.org/a/b?c=d&e=%20#f user@example.org C:\\Users\\x',
  'supercalifragilisticexpialidocious antidisestablishmentarianism Donaudampfschifffahrt',
  'ALL CAPS, Title Case, camelCase, snake_case, kebab-case, SCREAMING_SNAKE',
  '$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$ ≤ ∀x∈ℝ → ∞',
]

/** Sequences of the given length, spread evenly over a text; each starts with the token that begins texts. */
function sequencesOf(path, tokenizer, count) {
  const book = readFileSync(path, 'utf8')
  const first = tokenizer.encode('').slice(0, 1)
  return Array.from({ length: count }, (_, i) => {
    const start = book.indexOf('\n\n', Math.floor((book.length * (i + 0.5)) / count)) + 2
    const ids = tokenizer.encode(book.slice(start, start + length * 8), { special: false })
    if (first.length + ids.length < length) throw new Error(`${path} is too short: use a text as long as a book`)
    return [...first, ...ids].slice(0, length)
  })
}

async function meanNll(model, sequences) {
  const { layers, vocabulary, hidden } = model.config
  const forward = new Forward(1, length)
  const head = await Head.create(model)
  const embedding = await model.embedding()
  let sum = 0
  for (const ids of sequences) {
    const x = await forward.layers(model, embed(embedding, model.config, Int32Array.from(ids)), 0, layers)
    for await (const { start, count, logits } of head.logits(x.subarray(0, (length - 1) * hidden)))
      for (let i = 0; i < count; i++) {
        const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary)
        let [largest, total] = [-Infinity, 0]
        for (const value of row) largest = Math.max(largest, value)
        for (const value of row) total += Math.exp(value - largest)
        sum += Math.log(total) + largest - row[ids[start + i + 1]]
      }
    process.stderr.write('.')
  }
  process.stderr.write('\n')
  await forward.release()
  await head.release()
  return sum / (sequences.length * (length - 1))
}

/** Runs llama.cpp in a separate process. */
async function llamaOf(sequences) {
  const script = fileURLToPath(new URL('gguf-read-llama.mjs', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify({ folder: resolve(values.llama), file: resolve(file), texts, sequences }))
  const [output, code] = await Promise.all([readAll(child.stdout), new Promise((done) => child.on('close', done))])
  if (code !== 0) throw new Error(`llama.cpp exited with code ${code} on ${file}`)
  return JSON.parse(output.trim().split('\n').at(-1))
}

const began = performance.now()
const model = await openModel(file, makeBlocks())
const opened = performance.now()
const tokenizer = Tokenizer.open(file, model.config.vocabulary)
const ready = performance.now()
const seconds = (from, to) => ((to - from) / 1000).toFixed(2)
console.log(
  `model opened in ${seconds(began, opened)} s, its tokenizer in ${seconds(opened, ready)} s: ${seconds(began, ready)} s`,
)
const sequences = values.text === undefined ? [] : sequencesOf(values.text, tokenizer, Number(values.sequences))
const reference = await llamaOf(sequences)

let wrong = 0
texts.forEach((text, i) => {
  const ids = tokenizer.encode(text, { special: false })
  if (ids.join() === reference.tokens[i].join()) return
  wrong++
  console.log(`ids of ${JSON.stringify(text)} differ:\n  ${ids.join()}\n  llama.cpp: ${reference.tokens[i].join()}`)
})
console.log(`ids of ${texts.length - wrong} of ${texts.length} texts equal llama.cpp's`)

let apart = 0
if (sequences.length > 0) {
  const ours = await meanNll(cacheWeights(model), sequences)
  const theirs = reference.nll.reduce((sum, value) => sum + value, 0) / reference.nll.length
  apart = Math.abs(ours / theirs - 1)
  console.log(
    `mean negative log-likelihood of ${sequences.length} x ${length} tokens: ${ours.toFixed(4)}, llama.cpp ${theirs.toFixed(4)} (${(apart * 100).toFixed(2)} % apart)`,
  )
}
process.exitCode = wrong > 0 || apart > 0.01 ? 1 : 0

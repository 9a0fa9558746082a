import fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { lookAt } from '../../data/data-file.js'
import { readJsonRecords } from '../../data/json-records.js'
import { GgufFile } from '../../model/gguf/container.js'
import { writeGgufFile, type KeyValue } from '../../model/gguf/write-file.js'
import { openModel, type Scenario } from '../../model/index.js'
import { SafetensorsFile, writeSafetensors } from '../../model/safetensors.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { sizes } from '../../puzzle/costs.js'
import { readCostTable } from '../../puzzle/imported-costs.js'
import { withoutBlocks } from '../../puzzle/made-up.js'
import { readProblem } from '../../solver/read-problem.js'
import { readDocument } from '../../spec/document.js'
import { digestJson } from '../../store/digest.js'
import { readRecord, recordText } from '../../store/record.js'
import type { TaskRecord } from '../../store/store.js'
import { smallProblem } from '../solver/problems.js'
import { temporaryFolder } from '../temporary-folder.js'
import { parent } from './readers/models.js'

const folder = temporaryFolder()
/** The same examples every time. */
const seed = { seed: 1 }

/** Texts that are whole characters, whatever they are: names of tensors, keys and fields. */
const words = fc.string({ unit: 'binary', maxLength: 20 })
/** Names that files of weights can have for their tensors. */
const tensorName = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((name) => name !== '__metadata__')
const finite = fc.float({ noNaN: true, noDefaultInfinity: true })

/** Tensors with distinct names, of at most 3 axes, some of them empty. */
const tensors = fc.uniqueArray(
  fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }).chain((shape) => {
    const size = shape.reduce((n, d) => n * d, 1)
    return fc.record({
      name: tensorName,
      shape: fc.constant(shape),
      data: fc.array(finite, { minLength: size, maxLength: size }).map((values) => Float32Array.from(values)),
    })
  }),
  { selector: ({ name }) => name, maxLength: 6 },
)

test('safetensors: what is written is read, whatever tensors are called', async () => {
  const file = join(folder, 'a.safetensors')
  await fc.assert(
    fc.asyncProperty(tensors, async (written) => {
      await writeSafetensors(
        file,
        written.map(({ data, ...own }) => ({ ...own, values: () => data })),
        'float32',
      )
      const read = await SafetensorsFile.open(file)
      expect([...read.tensors.keys()].sort()).toEqual(written.map(({ name }) => name).sort())
      for (const { name, shape, data } of written) {
        expect(read.tensors.get(name)!.shape).toEqual(shape)
        expect(await read.read(name)).toEqual(data)
      }
    }),
    { ...seed, numRuns: 60 },
  )
})

const keyValue: fc.Arbitrary<KeyValue> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => ({ type: 'u32', value }) as const),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((value) => ({ type: 'i32', value }) as const),
  fc.integer({ min: 0, max: 255 }).map((value) => ({ type: 'u8', value }) as const),
  finite.map((value) => ({ type: 'f32', value }) as const),
  fc.double({ noNaN: true }).map((value) => ({ type: 'f64', value }) as const),
  words.map((value) => ({ type: 'string', value }) as const),
  fc.boolean().map((value) => ({ type: 'bool', value }) as const),
  fc.array(words, { maxLength: 5 }).map((values) => ({ type: 'array', of: 'string', values }) as const),
  fc.array(finite, { maxLength: 5 }).map((values) => ({ type: 'array', of: 'f32', values }) as const),
  fc.array(fc.boolean(), { maxLength: 5 }).map((values) => ({ type: 'array', of: 'bool', values }) as const),
)

test('GGUF: keys of every type and tensors are read as they were written', async () => {
  const file = join(folder, 'a.gguf')
  const names = words.filter((name) => name !== 'general.alignment')
  const all = fc.tuple(fc.uniqueArray(fc.tuple(names, keyValue), { selector: ([name]) => name, maxLength: 8 }), tensors)
  await fc.assert(
    fc.asyncProperty(all, async ([keys, given]) => {
      const written = given.filter(({ name, data }) => Buffer.byteLength(name) <= 63 && data.length > 0)
      const sources = written.map(({ data, ...own }) => ({ ...own, type: 'F32' as const, values: () => data }))
      await writeGgufFile(file, new Map(keys), sources)
      const read = GgufFile.open(file)
      const plain = [...read.keys].map(([name, value]) => [name, ArrayBuffer.isView(value) ? [...value] : value])
      expect(plain).toEqual(
        keys.map(([name, own]) => [
          name,
          'value' in own ? own.value : own.of === 'bool' ? own.values.map(Number) : own.values,
        ]),
      )
      for (const { name, shape, data } of written) {
        expect(read.tensors.get(name)!.shape).toEqual(shape)
        expect(await read.read(name)).toEqual(data)
      }
    }),
    { ...seed, numRuns: 60 },
  )
})

/** JSON without what the reader of data refuses: NUL, halves of characters, and keys that tables of objects cannot have. */
const field = words.map((word) => word.replaceAll('\0', ''))
const jsonValue = fc.jsonValue({ maxDepth: 3, noUnicodeString: false })
const withoutNul = (value: unknown): boolean => !JSON.stringify(value).includes('\\u0000')
const jsonRecord = fc.dictionary(field, jsonValue, { maxKeys: 4 }).filter(withoutNul)

test.each<[string, (records: readonly object[]) => string]>([
  ['lines', (records) => records.map((one) => `${JSON.stringify(one)}\n`).join('')],
  ['lines of Windows', (records) => records.map((one) => `${JSON.stringify(one)}\r\n`).join('')],
  ['a list', (records) => JSON.stringify(records)],
  ['a list over many lines', (records) => JSON.stringify(records, null, 2)],
  ['one after another', (records) => records.map((one) => JSON.stringify(one, null, 1)).join(' ')],
])('JSON: records written as %s are read', async (_, write) => {
  const file = join(folder, 'a.jsonl')
  await fc.assert(
    fc.asyncProperty(fc.array(jsonRecord, { minLength: 1, maxLength: 5 }), async (records) => {
      writeFileSync(file, write(records))
      const read: unknown[] = []
      for await (const { fields } of readJsonRecords(file, 'Mend it.', lookAt(file))) read.push(fields)
      expect(JSON.stringify(read)).toBe(JSON.stringify(records))
    }),
    { ...seed, numRuns: 60 },
  )
})

test('records: one that is written is read, and one in which a character is changed is not', () => {
  const key = digestJson({})
  fc.assert(
    fc.property(fc.dictionary(words, jsonValue, { maxKeys: 4 }), fc.nat(), (values, at) => {
      const record: TaskRecord = {
        ...{ version: 1, key, components: {}, outputs: { values, files: {} } },
        ...{ seconds: 1.5, finishedAt: '2026-01-01T00:00:00Z', host: 'host' },
      }
      const text = recordText(record)
      expect(JSON.stringify(readRecord(text, key))).toBe(JSON.stringify(record))
      // A digit or letter for another: still JSON, but of something else.
      const places = [...text.matchAll(/[0-9a-f]/g)].map(({ index }) => index)
      const place = places[at % places.length]!
      const changed = `${text.slice(0, place)}${text[place] === '1' ? '2' : '1'}${text.slice(place + 1)}`
      const read = readRecord(changed, key)
      if (read !== undefined) expect(JSON.stringify(read)).toBe(JSON.stringify(record))
    }),
    { ...seed, numRuns: 200 },
  )
})

test('cost tables: times of any size are read as they were written', async () => {
  const model = await openModel(parent, makeBlocks())
  const scenario: Scenario = { batch: 1, prefill: 8, generate: 8, weights: 'float32', cache: 'float32' }
  const file = join(folder, 'costs.json')
  const seconds = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })
  await fc.assert(
    fc.asyncProperty(seconds, seconds, seconds, async (prefillSeconds, decodeSeconds, error) => {
      const floor = { prefillSeconds, decodeSeconds, error, ...sizes(withoutBlocks(model), scenario) }
      writeFileSync(file, JSON.stringify({ version: 1, fingerprint: {}, scenario, floor, attention: {}, ffn: {} }))
      expect((await readCostTable(file, model, scenario, [])).floor).toEqual({
        ...floor,
        // JSON has no sign of 0.
        ...{ prefillSeconds: prefillSeconds || 0, decodeSeconds: decodeSeconds || 0, error: error || 0 },
      })
    }),
    { ...seed, numRuns: 60 },
  )
})

test('problems: one that is written is read', () => {
  fc.assert(
    fc.property(smallProblem, (problem) => {
      const written = JSON.parse(JSON.stringify(problem)) as unknown
      expect(readProblem(written)).toEqual(problem)
    }),
    { ...seed, numRuns: 100 },
  )
})

test('specs: YAML that a library writes has the same values, whatever texts are in it', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((key) => key !== '__proto__' && key !== '<<')
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(name, tie('any'), { maxKeys: 4 }),
    ),
  })).any
  fc.assert(
    fc.property(fc.dictionary(name, value, { minKeys: 1, maxKeys: 4 }), (data) => {
      const { data: read, diagnostics } = readDocument('a.yaml', stringify(data, { version: '1.2', schema: 'core' }))
      expect(diagnostics).toEqual([])
      expect(read).toEqual(JSON.parse(JSON.stringify(data)))
    }),
    { ...seed, numRuns: 200 },
  )
})

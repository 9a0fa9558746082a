import { readdirSync, readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { Graph, quantise, type DType, type Value } from '../../tensor/index.js'

const folder = new URL('../../tensor/', import.meta.url)

/** The public operators of `Graph` and their examples, from the classes that it is made of. */
function operators(): [name: string, example: string][] {
  return readdirSync(folder).flatMap((file) => {
    const source = ts.createSourceFile(file, readFileSync(new URL(file, folder), 'utf8'), ts.ScriptTarget.ES2022, true)
    return source.statements
      .filter(ts.isClassDeclaration)
      .filter(({ name }) => /^Graph|Graph$/.test(name?.text ?? ''))
      .flatMap(({ members }) => members.filter(ts.isMethodDeclaration))
      .filter((method) => (ts.getCombinedModifierFlags(method) & hidden) === 0)
      .filter(({ type }) => /\bValue\b/.test(type?.getText() ?? ''))
      .map((method): [string, string] => {
        const tag = ts.getJSDocTags(method).find(({ tagName }) => tagName.text === 'example')
        return [method.name.getText(), ts.getTextOfJSDocComment(tag?.comment) ?? '']
      })
  })
}
const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Abstract

const tensors = /(?:(?!(?:float16|float64|int64|bool) )(\w+) )?(?:(float16|float64|int64|bool) )?(\[[^\]]*\])/g

/** `x [8, 128], y int64 [8]` as inputs of a graph. */
const inputsOf = (g: Graph, text: string): Value[] =>
  [...text.matchAll(tensors)].map(([, name, dtype, shape]) =>
    g.input(name!, (dtype as DType | undefined) ?? 'float32', JSON.parse(shape!.replaceAll("'", '"')) as number[]),
  )

/** The values that an operator returns, whatever their arrangement. */
const valuesOf = (result: unknown): Value[] =>
  result !== null && typeof result === 'object' && 'graph' in result
    ? [result as Value]
    : Object.values(result as Record<string, unknown>).flatMap(valuesOf)

/** Type and shape as examples write them. */
const describe = ({ dtype, shape }: Value) =>
  `${dtype === 'float32' ? '' : `${dtype} `}[${shape.map((d) => (typeof d === 'string' ? `'${d}'` : d)).join(', ')}]`

test.each(operators())('the example of %s has the shapes and the ONNX operators that it names', (_, example) => {
  const parts = /^(?:([^`]*): )?`([^`]*)` → (.*?)\. ONNX: (.*)$/.exec(example.replaceAll(/\s+/g, ' '))
  expect(parts, `"${example}" is not an example`).not.toBeNull()
  const [, inputs = '', code, outputs, onnx] = parts!
  const g = new Graph()
  const values = inputsOf(g, inputs)
  const parameters = ['g', 'quantise', ...values.map(({ name }) => name)]
  const run = runInThisContext(ts.transpile(`(${parameters.join()}) => ${code}`)) as (...all: unknown[]) => unknown
  const result = run(g, quantise, ...values)
  expect([...outputs!.matchAll(tensors)].map(([, , dtype, shape]) => `${dtype ? `${dtype} ` : ''}${shape}`)).toEqual(
    valuesOf(result).map(describe),
  )
  const emitted = [...new Set(g.written().nodes.map(({ op }) => op))]
  expect(onnx!.split(/; or /)[0]!.match(/\b[A-Z]\w+/g) ?? []).toEqual(emitted)
})

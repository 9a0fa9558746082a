import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const root = packageRoot()
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>
}

/** The sources of what a program can import from the package. */
const entries = Object.values(exports).flatMap((entry) =>
  typeof entry === 'string' ? [] : [join(root, entry.types.replace(/^\.\/dist\//, '').replace(/\.d\.ts$/, '.ts'))],
)

/** `file: name` of each export without a doc comment. */
function undocumented(files: readonly string[]): string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    root,
  )
  const program = ts.createProgram(files, { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const found = files.flatMap((file) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!
    return checker.getExportsOfModule(module).map((symbol) => {
      const real = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      const documented = ts.displayPartsToString(real.getDocumentationComment(checker)).trim() !== ''
      return documented ? '' : `${relative(root, real.declarations![0]!.getSourceFile().fileName)}: ${symbol.name}`
    })
  })
  return [...new Set(found)].filter((line) => line !== '')
}

test('every export that a program can import from the package has a doc comment', () => {
  expect(undocumented(entries)).toEqual([])
})

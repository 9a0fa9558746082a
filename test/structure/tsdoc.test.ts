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

const fileOf = (symbol: ts.Symbol): string => symbol.declarations![0]!.getSourceFile().fileName

/** Fields and methods of an interface or class, except those of type parameters and inside the class. */
const membersOf = (symbol: ts.Symbol): ts.Symbol[] =>
  [...(symbol.members?.values() ?? [])].filter(
    ({ flags, declarations: [declared] = [] }) =>
      flags & (ts.SymbolFlags.Property | ts.SymbolFlags.Method | ts.SymbolFlags.Accessor) &&
      declared &&
      !(ts.getCombinedModifierFlags(declared) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)),
  )

/** `file: name` of each export, and of each field or method of one, without a doc comment. */
function undocumented(files: readonly string[]): string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    root,
  )
  const program = ts.createProgram(files, { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const bare = (symbol: ts.Symbol) =>
    symbol.getJsDocTags(checker).length === 0 &&
    ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() === ''
  const found = files.flatMap((file) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!
    return checker.getExportsOfModule(module).flatMap((symbol) => {
      const real = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      const members = membersOf(real).filter(bare)
      return [...(bare(real) ? [real.name] : []), ...members.map(({ name }) => `${real.name}.${name}`)].map(
        (name) => `${relative(root, fileOf(real))}: ${name}`,
      )
    })
  })
  return [...new Set(found)]
}

test('every export that a program can import from the package has a doc comment, and so has each of its members', () => {
  expect(undocumented(entries)).toEqual([])
})

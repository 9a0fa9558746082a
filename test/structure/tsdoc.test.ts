import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
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

// Comments do not depend on types: packages and the library need not be read, which would take most of the time.
const options: ts.CompilerOptions = { module: ts.ModuleKind.NodeNext, noLib: true, types: [] }
const host: ts.CompilerHost = {
  ...ts.createCompilerHost(options),
  resolveModuleNameLiterals: (names, file) =>
    names.map(({ text }) => {
      const resolvedFileName = join(dirname(file), text.replace(/\.js$/, '.ts'))
      const own = text.startsWith('.') && existsSync(resolvedFileName)
      return { resolvedModule: own ? { resolvedFileName, extension: ts.Extension.Ts } : undefined }
    }),
}

const fileOf = (symbol: ts.Symbol): string => symbol.declarations![0]!.getSourceFile().fileName

/** Fields and methods of an interface or class, except private and protected ones. */
const membersOf = (symbol: ts.Symbol): ts.Symbol[] =>
  [...(symbol.members?.values() ?? [])].filter(
    ({ flags, declarations: [declared] = [] }) =>
      flags & (ts.SymbolFlags.Property | ts.SymbolFlags.Method | ts.SymbolFlags.Accessor) &&
      declared &&
      !(ts.getCombinedModifierFlags(declared) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)),
  )

/** `file: name` of each export, and of each field or method of one, without a doc comment. */
function undocumented(files: readonly string[]): string[] {
  const program = ts.createProgram(files, options, host)
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

import { readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { BuildFailure, BuildOptions, BuildResult, Message } from 'esbuild'
import { digestBytes, type Digest } from '../../store/digest.js'
import { BadPlugin } from './bad-plugin.js'
import { bundleFile, mapFile, writeBundleFile } from './bundle.js'
import type { FoundPlugin } from './find.js'

/** Modules that a plugin shares with puzzleflow instead of bringing its own. */
const shared = ['puzzleflow', 'puzzleflow/*', 'onnxruntime-node']

/**
 * Bundles a plugin's entry and all that it imports into one module in the cache. The text, and so its digest, does not
 * depend on where the plugin lies.
 * @returns the digest of the module, which covers name, version and all code
 * @throws BadPlugin when it does not compile
 */
export async function compilePlugin(found: FoundPlugin): Promise<Digest> {
  const { name, version } = found
  const { text, map, requires } = await bundle(found)
  const head = [`// ${name} ${version}`, ...(requires ? requireOfNode : [])]
  const lines = [...head, text]
  const module = lines.join('\n')
  const digest = digestBytes(module)
  const file = bundleFile(digest)
  const there = await readFile(file).catch(() => undefined)
  if (!there || digestBytes(there) !== digest) await writeBundleFile(file, module)
  // The map depends on where the plugin lies and on comments, so it is not part of the digest, and is written anew.
  const places = below(map, head.length)
  const known = await readFile(mapFile(digest), 'utf8').catch(() => undefined)
  if (known !== places) await writeBundleFile(mapFile(digest), places)
  return digest
}

/** CommonJS packages call `require` for Node's own modules. */
const requireOfNode = [
  "import { createRequire as createRequireOfNode } from 'node:module'",
  'const require = createRequireOfNode(import.meta.url)',
]

interface Bundle {
  readonly text: string
  /** Its source map, JSON. */
  readonly map: string
  readonly requires: boolean
}

/** A source map of text that stands some lines further down. */
function below(map: string, lines: number): string {
  const sourceMap = JSON.parse(map) as { mappings: string }
  return JSON.stringify({ ...sourceMap, mappings: ';'.repeat(lines) + sourceMap.mappings })
}

async function bundle({ root, entry, written }: FoundPlugin): Promise<Bundle> {
  const esbuild = await import('esbuild')
  const options = {
    entryPoints: [`./${relative(root, entry).replaceAll(sep, '/')}`],
    absWorkingDir: root,
    outfile: join(root, 'plugin.mjs'), // not written
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Beside the module, which does not name it: the text is the same with and without.
    sourcemap: 'external',
    sourcesContent: false,
    charset: 'utf8',
    external: shared,
    loader: { '.txt': 'text', '.bin': 'binary' },
    // A tsconfig.json above the folder must not change the code.
    tsconfigRaw: {},
    logLevel: 'silent',
  } satisfies BuildOptions
  let result: BuildResult<typeof options>
  try {
    result = await esbuild.build(options)
    // The text names modules by their path from the folder, which for those outside tells where the folder lies.
    if (Object.keys(result.metafile.inputs).some((path) => path.startsWith('../')))
      result = await esbuild.build({ ...options, minifyWhitespace: true, minifyIdentifiers: true, keepNames: true })
  } catch (error) {
    const [first] = (error as Partial<BuildFailure>).errors ?? []
    if (!first) throw error
    throw new BadPlugin('broken-plugin', `The plugin "${written}" does not compile: ${explain(first)}.`, undefined, {
      cause: error,
    })
  }
  const imports = Object.values(result.metafile.outputs).flatMap(({ imports }) => imports)
  const output = (end: string) => result.outputFiles.find(({ path }) => path.endsWith(end))!.text
  return {
    text: output('.mjs'),
    map: output('.map'),
    requires: imports.some(({ kind }) => kind === 'require-call'),
  }
}

function explain({ text, location }: Message): string {
  const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : ''
  const native = /No loader is configured for "\.node" files/.test(text)
  return `${place}${native ? 'native modules cannot be bundled' : text.replace(/\.$/, '')}`
}

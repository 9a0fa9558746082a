import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Failure } from '../../api/index.js'
import { packageRoot } from '../../store/paths.js'

/** The version that puzzleflow is tested with. */
const tried = '3.22.1'

/** An installation of node-llama-cpp. */
export interface LlamaCpp {
  /** Path of its main module. */
  readonly entry: string
  /** Its version. */
  readonly version: string
}

/**
 * Finds node-llama-cpp in the folder that PUZZLEFLOW_LLAMA_CPP names, next to puzzleflow, or in the working folder.
 * @throws Failure InvalidInput with the command that installs it
 */
export function findLlamaCpp(): LlamaCpp {
  const given = process.env.PUZZLEFLOW_LLAMA_CPP
  const folders = given === undefined ? [...new Set([packageRoot(), process.cwd()])] : [given]
  for (const folder of folders)
    try {
      const require = createRequire(join(folder, 'package.json'))
      const entry = require.resolve('node-llama-cpp')
      const { version } = require(join(dirname(entry), '../package.json')) as { readonly version: string }
      return { entry, version }
    } catch {
      // Looked for elsewhere.
    }
  throw new Failure(
    'InvalidInput',
    `node-llama-cpp, which runs llama.cpp, is not installed in ${folders.join(' or ')}`,
    {
      remedy: `Install it: npm install --no-save --ignore-scripts node-llama-cpp@${tried}; or name a folder that has it in PUZZLEFLOW_LLAMA_CPP.`,
    },
  )
}

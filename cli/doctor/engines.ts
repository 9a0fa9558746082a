import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLlamaCpp } from '../../model/index.js'
import { packageRoot } from '../../store/paths.js'
import { failed, missing, ok, type Check } from './check.js'

/** What computes: onnxruntime, devices that it does not use, llama.cpp; and the browser of the tests. */
export async function engineChecks(): Promise<Check[]> {
  return [await onnxruntimeCheck(), ...gpuCheck(), llamaCheck(), ...chromiumCheck()]
}

async function onnxruntimeCheck(): Promise<Check> {
  const name = 'onnxruntime'
  const remedy = 'Install the packages again, on this machine: npm ci (or npm install puzzleflow).'
  try {
    const [{ listSupportedBackends }, { engineVersion, Graph, Session, tensor }] = await Promise.all([
      import('../../tensor/engine.js'),
      import('../../tensor/index.js'),
    ])
    const graph = new Graph()
    const [a, b] = [graph.input('a', 'float32', [2, 3]), graph.input('b', 'float32', [3, 2])]
    graph.output('product', graph.matmul(a, b))
    const session = await Session.create(graph)
    const { product } = await session.run({
      a: tensor([1, 2, 3, 4, 5, 6], [2, 3]),
      b: tensor([7, 8, 9, 10, 11, 12], [3, 2]),
    })
    await session.release()
    const got = Array.from(product!.data, Number).join(' ')
    if (got !== '58 64 139 154')
      return missing(name, 'NoServer', `version ${engineVersion} computes a product incorrectly: ${got}`, remedy)
    const others = listSupportedBackends().flatMap((backend) => (backend.name === 'cpu' ? [] : [backend.name]))
    return ok(
      name,
      `${engineVersion}, computes on the processor${others.length > 0 ? ` (${others.join(', ')}: not used)` : ''}`,
    )
  } catch (error) {
    return missing(name, 'NoServer', `it cannot be used: ${(error as Error).message.split('\n')[0]}`, remedy)
  }
}

const nvidia = '/proc/driver/nvidia/gpus'

/** GPUs of NVIDIA on Linux: puzzleflow computes nothing on them.
 *  @param folder  where the driver lists them */
export function gpuCheck(folder = nvidia): Check[] {
  if (!existsSync(folder)) return []
  const models = readdirSync(folder).map((gpu) => {
    const text = readFileSync(join(folder, gpu, 'information'), 'utf8')
    return /^Model:\s*(.+)$/m.exec(text)?.[1] ?? 'unknown'
  })
  const remedy = 'A worker of your own can use it: docs/workers-in-other-languages.md.'
  return [{ name: 'GPU', state: 'optional', found: `${models.join(', ')}: puzzleflow does not compute on it`, remedy }]
}

function llamaCheck(): Check {
  const name = 'llama.cpp'
  try {
    return ok(name, `node-llama-cpp ${findLlamaCpp().version}`)
  } catch (error) {
    const check = failed(name, error, 'optional')
    return { ...check, found: 'node-llama-cpp is not installed; only `engine: llama.cpp` in a spec needs it' }
  }
}

/** In a clone, whose tests look at pages. */
function chromiumCheck(): Check[] {
  if (!existsSync(join(packageRoot(), 'test'))) return []
  const program = process.env.CHROMIUM ?? '/usr/bin/chromium'
  if (existsSync(program)) return [ok('Chromium', program)]
  const found = `there is no ${program}; only tests of pages need it, and are skipped`
  return [{ name: 'Chromium', state: 'optional', found, remedy: 'Install Chromium, or set CHROMIUM to its path.' }]
}

import { readFileSync } from 'node:fs'
import { availableMemory } from 'node:process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { memoryOfProcess } from '../../plugins/inspect/resources.js'
import { packageRoot } from '../../store/paths.js'
import { processors } from '../../tensor/processors.js'
import { describeBytes } from '../../errors/amounts.js'
import { missing, ok, type Check } from './check.js'

/** Bytes of memory. A search of the smallest models takes one gigabyte: server, worker and child processes. */
const memory = { least: 2 ** 30, comfortable: 4 * 2 ** 30 }

/** No certificate that a server has today was valid before. */
const released = Date.UTC(2026, 0)

/** Node, processors, memory and the clock. */
export const machineChecks = (): Check[] => [nodeCheck(), systemCheck(), processorCheck(), memoryCheck(), clockCheck()]

/** @param version  @default this process's */
export function nodeCheck(version = process.versions.node): Check {
  const { engines } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly engines: { readonly node: string }
  }
  const needed = engines.node.replace(/^>=/, '')
  const [[major = 0, minor = 0], [leastMajor = 0, leastMinor = 0]] = [version, needed].map((text) =>
    text.split('.').map(Number),
  ) as [number[], number[]]
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
    ? ok('Node', version)
    : missing(
        'Node',
        'NoServer',
        `${version} is too old`,
        `Install Node ${needed} or newer: https://nodejs.org/download.`,
      )
}

const systems: readonly string[] = ['linux', 'darwin']

function systemCheck(): Check {
  const found = `${process.platform} on ${process.arch}`
  if (systems.includes(process.platform)) return ok('system', found)
  const remedy = 'Use Linux or macOS; on Windows, use WSL 2.'
  return { name: 'system', state: 'warning', found: `${found}, on which puzzleflow is not tested`, remedy }
}

function processorCheck(): Check {
  const [usable, all] = [processors(), cpus().length]
  const model = cpus()[0]?.model ?? 'unknown'
  return ok(
    'processors',
    `${usable}${usable < all ? ` of ${all} (affinity, or a limit of the container)` : ''}, ${model}`,
  )
}

/** @param has  bytes that this process may use. @default as the system says */
export function memoryCheck(has = memoryOfProcess()): Check {
  const found = `${describeBytes(has)}, ${describeBytes(Math.min(has, availableMemory()))} of it free`
  const remedy = 'Use a larger machine, or raise the limit of the container.'
  if (has < memory.least) return missing('memory', 'OutOfMemory', found, remedy)
  return has < memory.comfortable
    ? { name: 'memory', state: 'warning', found: `${found}: enough for small models`, remedy }
    : ok('memory', found)
}

/** @param now  milliseconds since 1970. @default the clock */
export function clockCheck(now = Date.now()): Check {
  const found = new Date(now).toISOString().replace(/\.\d+/, '')
  if (now >= released) return ok('clock', found)
  const remedy = 'Set it: certificates, signatures for S3 and ages of files depend on it.'
  return { name: 'clock', state: 'warning', found: `${found} is in the past`, remedy }
}

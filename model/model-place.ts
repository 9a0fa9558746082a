import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ggufOf } from './gguf/read.js'
import { modelFile } from './model-files.js'

/** Returns why an existing path is not a model, if the intended one is next to it or below it. */
export function modelProblem(
  path: string,
  written: string,
): { readonly code: string; readonly message: string; readonly hint: string } | undefined {
  const code = 'wrong-file'
  const base = written.replace(/\/+$/, '')
  if (statSync(path).isFile()) {
    if (path.endsWith('.gguf')) return undefined
    if (existsSync(modelFile(dirname(path), 'config.json'))) {
      const folder = written.includes('/') ? dirname(written) : '.'
      return { code, message: `"${written}" is one file of a model.`, hint: `name its folder: "${folder}"` }
    }
    const message = `"${written}" is neither the folder of a model nor a GGUF file.`
    return { code, message, hint: `${basename(path)} must end in .gguf, or be a folder with config.json` }
  }
  if (existsSync(modelFile(path, 'config.json')) || ggufNames(path).length > 0) return undefined
  const models = foldersBelow(path).filter((name) => isModel(join(path, name)))
  const [first, ...more] = models
  if (first === undefined) return undefined
  return more.length === 0
    ? { code, message: `"${written}" is not a model, but the folder of one.`, hint: `did you mean "${base}/${first}"?` }
    : {
        code,
        message: `"${written}" has several models: ${models.slice(0, 8).join(', ')}${models.length > 8 ? ', …' : ''}.`,
        hint: `name one: "${base}/${first}"`,
      }
}

const ggufNames = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.gguf'))

const isModel = (folder: string): boolean => {
  try {
    return existsSync(modelFile(folder, 'config.json')) || ggufOf(folder) !== undefined
  } catch {
    return true // several GGUF files
  }
}

/** Folders to search: those inside a folder, and the snapshots of the Hub's cache. */
function foldersBelow(folder: string): string[] {
  const below = (place: string) =>
    existsSync(place)
      ? readdirSync(place)
          .filter((name) => statSync(join(place, name), { throwIfNoEntry: false })?.isDirectory() === true)
          .sort()
          .slice(0, 1000)
      : []
  return [...below(folder), ...below(join(folder, 'snapshots')).map((name) => `snapshots/${name}`)]
}

import { homedir } from 'node:os'
import type { PathKind } from './keywords.js'
import { shown } from '../errors/foreign.js'

/** What the user meant by a path that does not exist, and what to write instead. */
export interface Meant {
  readonly message?: string
  readonly hint: string
}

/**
 * Recognises paths that do not work on this machine: addresses, paths that a shell would expand, patterns, Windows paths.
 * @param what  what the path must be: `file`
 */
export function meantPath(written: string, what = 'file or folder', kind?: PathKind): Meant | undefined {
  return address(written, what, kind) ?? unexpanded(written) ?? pattern(written, what) ?? foreign(written)
}

/** A path that a shell would expand. Specs are not expanded, so that they mean the same to everybody. */
export function unexpanded(written: string): Meant | undefined {
  const home = /^~(?=\/|$)/
  if (written.startsWith('~'))
    return {
      message: `"${written}" begins with "~", which is not expanded here.`,
      hint: home.test(written) ? `write "${written.replace(home, () => homedir())}"` : 'write the full path',
    }
  const [variable] = /\$\{?[A-Za-z_]\w*\}?|%[A-Za-z_]\w*%/.exec(written) ?? []
  if (variable === undefined) return undefined
  return {
    message: `"${written}" contains the variable ${variable}, which is not expanded here.`,
    hint: /^\$\{?HOME\}?$/.test(variable) ? `write "${written.replace(variable, () => homedir())}"` : 'write its value',
  }
}

function address(written: string, what: string, kind: PathKind | undefined): Meant | undefined {
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]+):\/\/(.*)$/.exec(written) ?? []
  const hub = /^(?:https?:\/\/)?(?:huggingface\.co|hf\.co)\/(datasets\/)?([\w.-]+\/[\w.-]+)/.exec(written)
  if (scheme === '' && !hub) return undefined
  const message = `"${written}" is an address, not a ${what} on this machine.`
  if (scheme === 'file') return { message, hint: `write "${rest.startsWith('/') ? rest : `/${rest}`}"` }
  const ofHub = hub ?? (scheme === 'hf' ? /^()(datasets\/)?([\w.-]+\/[\w.-]+)/.exec(rest)?.slice(1) : undefined)
  if (ofHub) {
    const [isData, name] = [ofHub.at(-2) !== undefined, ofHub.at(-1)!]
    return { message, hint: download(name, isData || kind === 'file') }
  }
  const folder = kind === 'file' ? '' : ' --recursive'
  if (scheme === 's3') return { message, hint: `copy it here first: aws s3 cp${folder} ${written} .` }
  if (scheme === 'gs') return { message, hint: `copy it here first: gcloud storage cp${folder} ${written} .` }
  if (scheme.startsWith('http')) return { message, hint: `download it first: curl -LO ${written}` }
  return { message, hint: 'copy it to this machine first' }
}

/** A name of the Hugging Face Hub, for something that is not here. */
export function fromHub(written: string, kind: PathKind): string | undefined {
  if (!/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(written)) return undefined
  if (kind === 'model') return `a model on the Hugging Face Hub? ${download(written, false)}`
  // Names of files have an ending.
  if (kind === 'file' && !/\.\w+$/.test(written))
    return `a data set on the Hugging Face Hub? ${download(written, true)}`
  return undefined
}

const download = (name: string, isData: boolean): string =>
  `download it first: hf download ${isData ? '--repo-type dataset ' : ''}${name} --local-dir ${name.split('/')[1]}`

function pattern(written: string, what: string): Meant | undefined {
  if (!/[*?]|\[[^\]]+\]|\{[^}]*,[^}]*\}/.test(written)) return undefined
  const message = `"${written}" is a pattern, not the name of a single ${what}.`
  const ending = /\.(jsonl|txt)(\.gz)?$/.exec(written)?.[0]
  return {
    message,
    hint: ending === undefined ? 'name a single one' : `join the files first: cat ${written} > all${ending}`,
  }
}

/** Names of Windows, and what double quotes have made of them. */
function foreign(written: string): Meant | undefined {
  if (/[\x00-\x1f\x7f]/.test(written))
    return {
      message: `The path ${shown(written)} contains a control character.`,
      hint: 'in double quotes, \\t and \\n are control characters: write / instead of \\, or use single quotes',
    }
  if (/^[A-Za-z]:[\\/]/.test(written)) return { hint: 'Windows paths do not work here; under WSL, drive C: is /mnt/c' }
  if (written.includes('\\')) return { hint: `write "${written.replaceAll('\\', '/')}"` }
  return undefined
}

// Before `npm install puzzleflow` runs the scripts of what puzzleflow depends on. That of onnxruntime-node downloads libraries
// for GPUs on Linux, which puzzleflow does not use, and fails where there is no network, and npm undoes all it has installed.
// It downloads nothing where files of those names are there; one that is asked for GPUs (ONNXRUNTIME_NODE_INSTALL=cuda12)
// puts the real ones in their place. In a clone, package-lock.json names no script of it.
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'

const own = dirname(import.meta.dirname)
const isDependency = basename(dirname(own)) === 'node_modules'
if (isDependency)
  try {
    const engine = dirname(createRequire(join(own, 'package.json')).resolve('onnxruntime-node/package.json'))
    const { requirements, manifests } = createRequire(join(engine, 'package.json'))('./script/install-metadata.js')
    const platform = `${process.platform}/${process.arch}`
    for (const kind of requirements[platform] ?? [])
      for (const name of Object.keys(manifests[`${platform}:${kind}`])) {
        const path = resolve(engine, 'bin/napi-v6', platform, name)
        if (!existsSync(path)) writeFileSync(path, '')
      }
  } catch {
    // Another version of it, or another way of installing: then its script decides, and README.md has the remedy.
  }

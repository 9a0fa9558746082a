/** Module resolution in processes that load plugins (Node's `module.register`): what plugins share is puzzleflow's own. */
import type { ResolveHook } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../store/paths.js'

const host = pathToFileURL(join(packageRoot(), 'package.json')).href
const shared = /^(puzzleflow(\/.*)?|onnxruntime-node)$/

export const resolve: ResolveHook = (specifier, context, next) =>
  next(specifier, shared.test(specifier) ? { ...context, parentURL: host } : context)

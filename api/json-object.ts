import { isMap } from '../errors/foreign.js'
import type { JsonObject } from './block.js'

/** Whether a value of a JSON or YAML file is an object. */
export const isObject = (value: unknown): value is JsonObject => isMap(value)

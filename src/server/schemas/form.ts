// Owns the fields by which clients of several programs ask for an answer of a certain form, and which form they mean. What cannot be held is refused by
// the field's name, never ignored. Sources: OpenAI's response_format; vLLM's guided_… and structured_outputs; llama.cpp's grammar, json_schema and
// response_format.schema; SGLang's regex and ebnf; Fireworks' and TGI's types of response_format.
import { z } from 'zod';
import { badField } from '../api-error.ts';
import { parsedJson } from '../json-scan.ts';

/** What an answer must be. */
export type AnswerForm = { readonly schema: unknown } | { readonly pattern: string };
/** A form, and the field of the request that asked for it. */
export interface AskedForm {
  readonly form: AnswerForm;
  readonly param: string;
}

const jsonObject = z.record(z.string(), z.unknown());
/** A schema as such, or as its text. */
const schema = z.union([jsonObject, z.string(), z.boolean()]);
const choices = z.array(z.string()).min(1).max(1000);
const pattern = z.string().max(10_000);
const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object'), schema: jsonObject.nullish() }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().nullish(), schema: jsonObject, strict: z.boolean().nullish() }),
  }),
]);
export type ResponseFormat = z.output<typeof responseFormat>;
const refused = (instead: string) => z.null(`Not supported: use ${instead}`).optional();

/** By which one route has its form, and the others refuse it instead of writing freely. */
const FOREIGN = {
  format: refused('response_format'),
  output_format: refused('response_format'),
  output_config: z.object({ format: refused('response_format') }).nullish(),
  text: z
    .object({ format: z.object({ type: z.literal('text', 'Not supported: use response_format') }).nullish() })
    .nullish(),
  extra_body: refused('its fields beside the others, as clients send them'),
};

/** Of every request that generates. */
export const formFields = {
  response_format: responseFormat.nullish(),
  json_schema: schema.nullish().describe('As llama.cpp has it'),
  guided_json: schema.nullish().describe('As vLLM has it'),
  guided_regex: pattern.nullish(),
  guided_choice: choices.nullish(),
  regex: pattern.nullish().describe('As SGLang has it'),
  structured_outputs: z
    .object({
      json: schema.nullish(),
      regex: pattern.nullish(),
      choice: choices.nullish(),
      json_object: z.boolean().nullish(),
      grammar: refused('json or regex'),
      structural_tag: refused('tools'),
    })
    .refine(
      (outputs) => Object.values(outputs).some(Boolean),
      'Invalid input: must have json, regex, choice or json_object',
    )
    .nullish(),
  grammar: refused('json_schema or guided_regex'),
  guided_grammar: refused('guided_json or guided_regex'),
  ebnf: refused('regex or json_schema'),
  structural_tag: refused('tools'),
  ...FOREIGN,
};
const formSchema = z.object(formFields);
export type FormRequest = Omit<z.output<typeof formSchema>, keyof typeof FOREIGN>;

/**
 * The form that a request asks for.
 * @param own what the route's own field asks for
 * @throws ApiError 400 where several fields ask for one
 */
export function formOfFields(request: FormRequest, own?: AskedForm): AskedForm | undefined {
  const { response_format: format, structured_outputs: outputs } = request;
  const asked: [param: string, form: AnswerForm | undefined][] = [
    ['response_format', format ? formOfFormat(format) : undefined],
    ['json_schema', schemaForm(request.json_schema, 'json_schema')],
    ['guided_json', schemaForm(request.guided_json, 'guided_json')],
    ['guided_regex', patternForm(request.guided_regex)],
    ['guided_choice', choiceForm(request.guided_choice)],
    ['regex', patternForm(request.regex)],
    ['structured_outputs.json', schemaForm(outputs?.json, 'structured_outputs.json')],
    ['structured_outputs.regex', patternForm(outputs?.regex)],
    ['structured_outputs.choice', choiceForm(outputs?.choice)],
    ['structured_outputs.json_object', outputs?.json_object ? ANY_OBJECT : undefined],
  ];
  const found = asked.flatMap(([param, form]) => (form ? [{ param, form }] : []));
  if (own) found.unshift(own);
  if (found.length < 2) return found[0];
  throw badField(found[1].param, `${found[1].param}: the form of the answer was given already, by ${found[0].param}.`);
}

const ANY_OBJECT: AnswerForm = { schema: { type: 'object' } };

/** The form that OpenAI's `response_format` means; undefined for text. */
export function formOfFormat(format: ResponseFormat): AnswerForm | undefined {
  if (format.type === 'text') return undefined;
  if (format.type === 'json_schema') return { schema: format.json_schema.schema };
  return format.schema ? { schema: format.schema } : ANY_OBJECT;
}

function schemaForm(given: unknown, param: string): AnswerForm | undefined {
  if (given == null) return undefined;
  if (typeof given !== 'string') return { schema: given };
  return { schema: parsedJson(given, param) };
}

function patternForm(given: string | null | undefined): AnswerForm | undefined {
  return given == null ? undefined : { pattern: given };
}

/** One of some texts, as a pattern. */
function choiceForm(given: readonly string[] | null | undefined): AnswerForm | undefined {
  if (given == null) return undefined;
  return { pattern: given.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|') };
}

// Owns a small set of labelled queries of a shop, written for the tests: combinations that a person would say, split so that no text is in both parts.
import type { SupportRow } from '../src/tasks/support/rows.ts';

const phrases: Record<string, readonly [starts: string, things: string]> = {
  parcel_status: [
    'where is|when will I get|has it been sent,|I am still waiting for|can I track|how long until you deliver',
    'my parcel|the package|my order|my delivery|the shipment',
  ],
  refund: [
    'I want a refund for|please refund|how do I get my money back for|give me back the money for|can I be refunded for|I need a refund of',
    'this jacket|the shoes|my last purchase|a broken lamp|the ticket',
  ],
  opening_hours: [
    'when do you open|are you open|what are your opening hours|until when are you open|at what time do you close|which hours do you keep',
    'on Sunday|today|on public holidays|in the evening|on Monday morning',
  ],
  change_address: [
    'please change|I want to update|how can I correct|I moved and need to change|can you replace|where do I edit',
    'my address|the delivery address|the street in my account|my home address|the billing address',
  ],
  cancel_order: [
    'cancel|please stop|I no longer want|how do I cancel|I would like to withdraw|can I still cancel',
    'my order|the order from yesterday|what I just ordered|order 1234|the purchase of the table',
  ],
  payment_methods: [
    'can I pay by|do you accept|is it possible to pay with|will you take|may I use|do you support',
    'credit card|cash|bank transfer|a gift voucher|instalments',
  ],
  job_application: [
    'are you hiring|do you have a vacancy|I want to apply|where do I send my application|is there an opening|I am looking for work',
    'as a cook|in the warehouse|for students|as a driver|in your shop',
  ],
  complaint: [
    'I am unhappy with|I want to complain about|this is a bad experience with|nobody helps me with|I am angry about|there is a problem with',
    'the service|your staff|the quality|the rude answer|how I was treated',
  ],
};

/** Queries that are about none of the intents. */
const outside = [
  'what is the capital of France|tell me a joke|how tall is the Eiffel tower|play some music|who won the game',
  'what does the fox say|solve this equation|write me a poem|how do I bake bread|is it going to rain',
  'translate hello to Italian|what is the meaning of life|set an alarm for seven|how many planets are there|call my mother',
].flatMap((list) => list.split('|'));

const all = Object.entries(phrases).flatMap(([intent, [starts, things]]) =>
  starts
    .split('|')
    .flatMap((start, i) =>
      things.split('|').map((thing, j) => ({ text: `${start} ${thing}`, intent, part: (i + 2 * j) % 5 })),
    ),
);
const rowsOf = (list: typeof all): SupportRow[] => list.map(({ text, intent }) => ({ text, intent }));

/** 192 rows of 8 intents. */
export const trainingRows = rowsOf(all.filter(({ part }) => part !== 0));
/** 48 rows of the same intents, none of which is trained on. */
export const unseenRows = rowsOf(all.filter(({ part }) => part === 0));
/** 15 rows of no intent. */
export const outsideRows: SupportRow[] = outside.map((text) => ({ text, intent: 'oos' }));

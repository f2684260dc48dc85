/** A page of a made-up library's handbook, and what people ask about it. */
export const sections = [
  "# Joining\n\nA library card is free for everyone who lives in the county. Bring a photo identity card and a letter that shows your address.",
  "# Borrowing\n\nYou may borrow up to twelve books at a time. Books are lent for four weeks, films and games for seven days.",
  "# Renewing\n\nRenew a loan on the website or by telephone before it is due. A book that another reader has reserved cannot be renewed.",
  "# Late returns\n\nThe fine for a late book is twenty cents a day. Children under fourteen never pay fines.",
  "# Lost items\n\nIf you lose a book, tell the front desk. You pay the price of a new copy, and an old copy that you find later is yours to keep.",
  "# Study rooms\n\nThe three study rooms on the second floor seat six people each. Book one online up to ten days ahead.",
  "# Printing\n\nA black and white page costs ten cents and a page in colour forty. The printers stand beside the stairs and take cards only.",
  "# Wireless network\n\nThe network is called ReadersFree. Its password changes every Monday and hangs on the board at the entrance.",
  "# Opening hours\n\nThe library opens at nine on weekdays and at eleven on Saturdays. It is closed on Sundays and public holidays.",
  "# Story time\n\nStory time for small children takes place on Wednesday mornings in the green room. Nobody has to sign up.",
  "# Pets\n\nGuide dogs are welcome. Other animals have to wait outside, where a ring for leashes is fixed to the wall.",
  "# Food and drink\n\nDrinks in bottles with a lid are allowed at every desk. Meals may be eaten in the courtyard only.",
];

/** Each section's own question, in its order. */
export const questions = [
  "What do I need to bring to get a library card?",
  "How many books can I borrow at once?",
  "Can I renew a book that someone else has reserved?",
  "How much is the fine for returning a book late?",
  "What happens if I lose a book?",
  "How do I reserve a study room?",
  "What does it cost to print a page in colour?",
  "where is the wifi password",
  "When is the library open on Saturdays?",
  "When is story time?",
  "Are dogs allowed inside?",
  "Am I allowed to eat lunch in the library?",
];

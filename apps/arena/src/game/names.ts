/** What bots are called, by seat. */
export const BOT_NAMES = ["Inés", "Omar", "Teo", "Lupita", "Chucho", "Rosa", "Beto", "Nela", "Paco", "Yola"];

"""How much noise, and of what kind, makes an image classifier wrong, and what helps?"""
